#include <stdio.h>
#include "words.h"

void print_count(const char *text, int words) {
    printf("%d words: %s\n", words, text);
}
