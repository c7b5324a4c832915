// CLinux: the Linux calls behind the POSIX door. Every call returns its result, or -errno.
//
// Names are NUL-terminated bytes. Only plain integers, pointers and structures of ours cross.
#ifndef CLINUX_H
#define CLINUX_H
#include "constants.h"
#include "files.h"
#include "names.h"
#include "attributes.h"
#include "threads.h"
#include "memory.h"
#include "process.h"
#include "terminal.h"
#endif
