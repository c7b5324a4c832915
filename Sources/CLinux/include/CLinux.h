// CLinux: the Linux calls behind the POSIX door. Every call returns its result, or -errno.
//
// Names are NUL-terminated bytes. Only plain integers, pointers and structures of ours cross.
#ifndef CLINUX_H
#define CLINUX_H
#include "linux_constants.h"
#include "linux_files.h"
#include "linux_names.h"
#include "linux_attributes.h"
#include "linux_threads.h"
#include "linux_memory.h"
#include "linux_process.h"
#include "linux_terminal.h"
#endif
