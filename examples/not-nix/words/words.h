/* What a word is, for all files. */
int count_words(const char *text);
void print_count(const char *text, int words);
