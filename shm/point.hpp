// Named places at which a test ends or stops the process: between any two steps that another process can tell
// apart. In the product they are nothing.
#pragma once

#ifndef FH_POINT
#define FH_POINT(name) static_cast<void>(0)
#endif

// The cursor at which an epoch begins: a test begins near 2^32.
#ifndef FH_FIRST_CURSOR
#define FH_FIRST_CURSOR 0
#endif
