// Included ahead of every source of the release build: a function that moved from another library into libc.so is
// asked for in the version that it has had from the start, so that an addon linked against a new glibc loads on
// glibc 2.28. scripts/check-abi.mjs fails on the function that is missing here.
#pragma once

#include <features.h>

#if defined(__GLIBC__) && defined(__x86_64__)
#define TIDEMARK_FIRST_GLIBC "GLIBC_2.2.5"
#elif defined(__GLIBC__) && defined(__aarch64__)
#define TIDEMARK_FIRST_GLIBC "GLIBC_2.17"
#endif

#ifdef TIDEMARK_FIRST_GLIBC
// libdl and libpthread until 2.34.
__asm__(".symver dlsym, dlsym@" TIDEMARK_FIRST_GLIBC);
__asm__(".symver dladdr, dladdr@" TIDEMARK_FIRST_GLIBC);
__asm__(".symver dlopen, dlopen@" TIDEMARK_FIRST_GLIBC);
__asm__(".symver pthread_create, pthread_create@" TIDEMARK_FIRST_GLIBC);
__asm__(".symver pthread_join, pthread_join@" TIDEMARK_FIRST_GLIBC);
__asm__(".symver pthread_mutex_trylock, pthread_mutex_trylock@" TIDEMARK_FIRST_GLIBC);
__asm__(".symver pthread_sigmask, pthread_sigmask@" TIDEMARK_FIRST_GLIBC);
__asm__(".symver pthread_attr_setstacksize, pthread_attr_setstacksize@" TIDEMARK_FIRST_GLIBC);
#endif
