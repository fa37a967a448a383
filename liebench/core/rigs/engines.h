/* Three ways to read one block and wait for it; they sleep in different places of the kernel. */
#ifndef LB_ENGINES_H
#define LB_ENGINES_H

#include <stddef.h>
#include <stdint.h>

#define LB_ENGINES "read aio uring"

struct lb_engine {
    void (*read)(struct lb_engine *engine, void *to, size_t bytes, int64_t at);
    int fd, ring;
    uint64_t context;                     /* of asynchronous I/O */
    char *submissions, *completions;      /* io_uring: the two rings and the entries */
    void *entries;
    const void *layout;
};

/* index in LB_ENGINES; ends with a sentence where the kernel refuses */
struct lb_engine lb_engine(int which, int fd);

#endif
