/* Firn's own version, as `firn --version` prints it. It is that of the packages; a test compares them. */

export const VERSION = "0.1.0";
