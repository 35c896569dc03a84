#include "words.h"

/* Words are what stands between spaces. */
int count_words(const char *text) {
    int words = 0;
    for (int inside = 0; *text; text++) {
        if (*text != ' ' && !inside) words++;
        inside = *text != ' ';
    }
    return words;
}
