// A plugin for qemu's user emulation that counts executed instructions, of four bytes each. It writes
// the start address of each block, its number of executed instructions and its code in hexadecimal to
// the file of the argument `out=`.
// qemu's packages have no header for plugins, so the few functions used are declared here, as in
// version 1 of the interface (docs/devel/tcg-plugins.rst in qemu's sources). One thread only.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t Id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb*);
struct qemu_plugin_insn* qemu_plugin_tb_get_insn(const struct qemu_plugin_tb*, size_t);
const void* qemu_plugin_insn_data(const struct qemu_plugin_insn*);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb*);
void qemu_plugin_register_vcpu_tb_trans_cb(Id, void (*)(Id, struct qemu_plugin_tb*));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb*, int, void*, uint64_t);
void qemu_plugin_register_atexit_cb(Id, void (*)(Id, void*), void*);

EXPORT int qemu_plugin_version = 1;

// A block that is translated again gets a new counter.
struct Counter {
  uint64_t address, executed;
  struct Counter* next;
  size_t size;
  uint8_t code[];
};
static struct Counter* counters;
static char path[4096];

static void translated(Id id, struct qemu_plugin_tb* block) {
  (void)id;
  const size_t instructions = qemu_plugin_tb_n_insns(block);
  struct Counter* counter = calloc(1, sizeof *counter + 4 * instructions);
  if (!counter) abort();
  counter->address = qemu_plugin_tb_vaddr(block);
  counter->size = 4 * instructions;
  for (size_t i = 0; i < instructions; ++i)
    memcpy(counter->code + 4 * i, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(block, i)), 4);
  counter->next = counters;
  counters = counter;
  const int add = 0;  // the only operation
  qemu_plugin_register_vcpu_tb_exec_inline(block, add, &counter->executed,
                                           instructions);
}

static void finished(Id id, void* unused) {
  (void)id, (void)unused;
  FILE* out = fopen(path, "w");
  if (!out) abort();
  for (struct Counter* c = counters; c; c = c->next) {
    if (!c->executed) continue;
    fprintf(out, "%llx %llu ", (unsigned long long)c->address, (unsigned long long)c->executed);
    for (size_t i = 0; i < c->size; ++i) fprintf(out, "%02x", c->code[i]);
    fputc('\n', out);
  }
  fclose(out);
}

EXPORT int qemu_plugin_install(Id id, const void* info, int argc, char** argv) {
  (void)info;
  if (argc != 1 || strncmp(argv[0], "out=", 4) || strlen(argv[0]) >= sizeof path) return 1;
  strcpy(path, argv[0] + 4);
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  qemu_plugin_register_atexit_cb(id, finished, NULL);
  return 0;
}
