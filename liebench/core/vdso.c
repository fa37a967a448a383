/* The vDSO's clock_gettime, looked up by ourselves: a static libc may not use it, and must not
 * stand in between.
 *
 * Source: the vDSO is an ELF image mapped at getauxval(AT_SYSINFO_EHDR), see vdso(7) and the
 * kernel's tools/testing/selftests/vDSO/parse_vdso.c. Symbol versions are not compared: there has
 * only been one.
 */
#include "lb.h"

#include <elf.h>
#include <string.h>
#include <sys/auxv.h>

#if defined(__x86_64__)
#define GETTIME "__vdso_clock_gettime"
#else
#define GETTIME "__kernel_clock_gettime"
#endif

struct image {
    uintptr_t base, bias; /* bias: what to add to an address in the file */
    const Elf64_Sym *symbols;
    const char *names;
    const uint32_t *hash, *gnu_hash;
};

static const Elf64_Dyn *find_dynamic(struct image *image)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)image->base;
    const Elf64_Phdr *part = (const Elf64_Phdr *)(image->base + header->e_phoff);
    const Elf64_Dyn *dynamic = NULL;
    bool loaded = false;
    for (int i = 0; i < header->e_phnum; i++) {
        if (part[i].p_type == PT_LOAD && !loaded) {
            image->bias = image->base + part[i].p_offset - part[i].p_vaddr;
            loaded = true;
        }
        if (part[i].p_type == PT_DYNAMIC)
            dynamic = (const Elf64_Dyn *)(image->base + part[i].p_offset);
    }
    return loaded ? dynamic : NULL;
}

static void read_dynamic(struct image *image, const Elf64_Dyn *entry)
{
    for (; entry->d_tag != DT_NULL; entry++) {
        uintptr_t at = image->bias + entry->d_un.d_ptr;
        if (entry->d_tag == DT_SYMTAB)
            image->symbols = (const Elf64_Sym *)at;
        else if (entry->d_tag == DT_STRTAB)
            image->names = (const char *)at;
        else if (entry->d_tag == DT_HASH)
            image->hash = (const uint32_t *)at;
        else if (entry->d_tag == DT_GNU_HASH)
            image->gnu_hash = (const uint32_t *)at;
    }
}

/* The symbol table has no length of its own; both hash tables imply it. Kernels may ship either
 * one. */
static uint32_t symbol_count(const struct image *image)
{
    if (image->hash)
        return image->hash[1];
    if (!image->gnu_hash)
        return 0;
    uint32_t buckets = image->gnu_hash[0], first = image->gnu_hash[1], words = image->gnu_hash[2],
             last = 0;
    /* the Bloom filter has 64-bit words */
    const uint32_t *bucket = image->gnu_hash + 4 + words * 2;
    const uint32_t *chain = bucket + buckets;
    for (uint32_t i = 0; i < buckets; i++)
        last = bucket[i] > last ? bucket[i] : last;
    if (last < first)
        return 0;
    while (!(chain[last - first] & 1)) /* the lowest bit ends a chain */
        last++;
    return last + 1;
}

lb_gettime *lb_vdso_gettime(void)
{
    struct image image = {.base = getauxval(AT_SYSINFO_EHDR)};
    if (!image.base || memcmp((const void *)image.base, ELFMAG, SELFMAG) != 0)
        return NULL;
    const Elf64_Dyn *dynamic = find_dynamic(&image);
    if (!dynamic)
        return NULL;
    read_dynamic(&image, dynamic);
    if (!image.symbols || !image.names)
        return NULL;
    uint32_t count = symbol_count(&image);
    for (uint32_t i = 0; i < count; i++)
        if (image.symbols[i].st_shndx != SHN_UNDEF &&
            strcmp(image.names + image.symbols[i].st_name, GETTIME) == 0)
            return (lb_gettime *)(image.bias + image.symbols[i].st_value);
    return NULL;
}
