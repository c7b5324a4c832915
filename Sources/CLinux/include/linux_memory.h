// Page-aligned memory, and each thread's stack of scratch buffers.
#ifndef CLINUX_MEMORY_H
#define CLINUX_MEMORY_H
#include <stddef.h>

void *linux_pages_create(size_t count);  // zero-filled; NULL when there is no memory
void linux_pages_destroy(void *pages);
// The scratch buffer of this nesting depth, at least `count` bytes, contents left over from earlier uses. NULL when there is no memory.
void *linux_scratch_push(size_t count);
// Gives back the buffer of the last push of this thread.
void linux_scratch_pop(void);
// Lets the kernel take the pages of this thread's buffers that are not in use. They read as zeros then.
void linux_scratch_give_back(void);
// How many pools malloc divides among the threads, at most. Pieces from 256 KiB on are mapped alone from then on, so that freeing them gives them back;
// by itself malloc would raise that bound with each one. Before there is any thread. Without effect where malloc is another's.
void linux_set_pools(int count);
// Lets the kernel take whole free pages of all pools.
void linux_trim_pools(void);
#endif
