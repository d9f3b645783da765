/* Keeps a library with no source yet buildable. */
typedef int empty_translation_unit;
