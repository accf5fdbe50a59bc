// Thirty lines of test support: a native test is a program that needs no Python and no framework.
#pragma once

#include <cstdio>
#include <sstream>

inline int check_failures = 0;

template <class A, class B>
void check_equal(const A& actual, const B& expected, const char* text, const char* file, int line) {
    if (actual == expected) return;
    std::ostringstream message;
    message << file << ":" << line << ": " << text << ": got " << actual << ", expected " << expected;
    std::fprintf(stderr, "%s\n", message.str().c_str());
    ++check_failures;
}

#define CHECK(expression)                                                                  \
    do {                                                                                   \
        if (!(expression)) {                                                               \
            std::fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__, #expression); \
            ++check_failures;                                                              \
        }                                                                                  \
    } while (false)
#define CHECK_EQ(actual, expected) check_equal((actual), (expected), #actual, __FILE__, __LINE__)
