/* A plugin for qemu-user: counts the instructions that the guest executes, and writes the number to the file that
 * INSN_OUT names. A block of code is counted whole when it is entered; one that is left early makes the count a trifle
 * too high.
 *
 * Debian ships no header for plugins; these are the parts of version 1 of the interface that are used here. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;

enum { ADD_U64 = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int operation, void *, uint64_t);
void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);

int qemu_plugin_version = 1;

static uint64_t total;

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &total, qemu_plugin_tb_n_insns(block));
}

static void ended(plugin_id id, void *unused)
{
    const char *path = getenv("INSN_OUT");
    FILE *out = path ? fopen(path, "w") : NULL;
    (void)id, (void)unused;
    if (out == NULL || fprintf(out, "%" PRIu64 "\n", total) < 0 || fclose(out) != 0)
        perror("INSN_OUT");
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
