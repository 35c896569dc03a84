#include "words.h"

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) print_count(argv[i], count_words(argv[i]));
    return 0;
}
