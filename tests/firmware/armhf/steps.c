/* A plugin for qemu-user: how many instructions the guest executes between two marks, and a clock made of them.
 *
 * A mark is the system call getppid with an argument: 1 begins a step, any other number ends it and names its kind.
 * STEPS_OUT gets a line for each kind at the end: kind, least, most, count. STEPS_CLOCK is a file that the guest has
 * mapped: its first eight bytes are the instructions executed so far, at any moment.
 *
 * Debian ships no header for plugins; these are the parts of version 1 of the interface that are used here. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;

enum { ADD_U64 = 0, GETPPID = 64, KINDS = 16 };

typedef void syscall_cb(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                        uint64_t, uint64_t);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int operation, void *, uint64_t);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id, syscall_cb *);
void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);

int qemu_plugin_version = 1;

static uint64_t own, begun, least[KINDS], most[KINDS], count[KINDS];
static uint64_t *total = &own;

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, total, qemu_plugin_tb_n_insns(block));
}

static void called(plugin_id id, unsigned cpu, int64_t number, uint64_t kind, uint64_t b, uint64_t c, uint64_t d,
                   uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    (void)id, (void)cpu, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number != GETPPID || kind >= KINDS)
        return;
    if (kind == 1) {
        begun = *total;
    } else if (kind > 1) {
        uint64_t step = *total - begun;
        if (step > most[kind])
            most[kind] = step;
        if (count[kind]++ == 0 || step < least[kind])
            least[kind] = step;
    }
}

static void ended(plugin_id id, void *unused)
{
    const char *path = getenv("STEPS_OUT");
    FILE *out = path ? fopen(path, "w") : NULL;
    (void)id, (void)unused;
    if (out == NULL) {
        perror("STEPS_OUT");
        return;
    }
    for (int i = 2; i < KINDS; i++)
        if (count[i])
            fprintf(out, "%d %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", i, least[i], most[i], count[i]);
    fclose(out);
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    const char *path = getenv("STEPS_CLOCK");
    int file = path ? open(path, O_RDWR) : -1;
    (void)info, (void)argc, (void)argv;
    if (file >= 0) {
        void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (page != MAP_FAILED)
            total = page;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
