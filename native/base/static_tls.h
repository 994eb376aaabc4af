// How thread-local variables that hooks use are kept.
//
// The general model calls __tls_get_addr, which on a thread's first touch allocates: inside malloc, through the very
// slot that leads there, without end. The initial-exec model is a load and never allocates; glibc keeps about 1.6 KB of
// room for it in libraries that are loaded late, and refuses the library, cleanly, when that is used up. musl refuses
// the model in what is loaded late, but fills the general one when the library is loaded.
#pragma once

#include <features.h>

#if defined(__GLIBC__)
#define TIDEMARK_STATIC_TLS __attribute__((tls_model("initial-exec")))
#else
#define TIDEMARK_STATIC_TLS
#endif
