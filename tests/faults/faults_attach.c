#define _GNU_SOURCE
#include "faults.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#define IS_SLOT(type) ((type) == R_X86_64_JUMP_SLOT || (type) == R_X86_64_GLOB_DAT)
#elif defined(__aarch64__)
#define IS_SLOT(type) ((type) == R_AARCH64_JUMP_SLOT || (type) == R_AARCH64_GLOB_DAT)
#else
#error "The relocations of this processor are not known here."
#endif

struct search {
    const char *part;
    int found;
};

/* The parts of an object that say which functions it imports, and into which slots. */
struct imports {
    ElfW(Addr) base;
    const ElfW(Sym) * symbols;
    const char *strings;
    const ElfW(Rela) * tables[2];
    size_t sizes[2];
};

/* glibc has made addresses of the offsets, other C libraries leave them as they are. */
static const void *address(const struct imports *imports, ElfW(Addr) at)
{
    return (const void *)(at < imports->base ? at + imports->base : at);
}

static void read_dynamic(struct imports *imports, const ElfW(Dyn) * entry)
{
    for (; entry->d_tag != DT_NULL; entry++) {
        switch (entry->d_tag) {
        case DT_SYMTAB:
            imports->symbols = address(imports, entry->d_un.d_ptr);
            break;
        case DT_STRTAB:
            imports->strings = address(imports, entry->d_un.d_ptr);
            break;
        case DT_RELA:
            imports->tables[0] = address(imports, entry->d_un.d_ptr);
            break;
        case DT_RELASZ:
            imports->sizes[0] = entry->d_un.d_val;
            break;
        case DT_JMPREL:
            imports->tables[1] = address(imports, entry->d_un.d_ptr);
            break;
        case DT_PLTRELSZ:
            imports->sizes[1] = entry->d_un.d_val;
            break;
        }
    }
}

/* The page may be one that the loader has made read-only. */
static int put(void **slot, void *function)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *start = (char *)slot - (size_t)slot % page;

    if (mprotect(start, page, PROT_READ | PROT_WRITE) < 0)
        return -1;
    *slot = function;
    return 0;
}

static int catch(const struct imports *imports, const ElfW(Rela) * rela)
{
    const ElfW(Sym) *symbol = &imports->symbols[ELF64_R_SYM(rela->r_info)];

    if (!IS_SLOT(ELF64_R_TYPE(rela->r_info)) || symbol->st_shndx != SHN_UNDEF)
        return 0;
    void *function = faults_stand_in(imports->strings + symbol->st_name);
    if (function == NULL)
        return 0;
    return put((void **)(imports->base + rela->r_offset), function) == 0 ? 1 : -1;
}

static int visit(struct dl_phdr_info *object, size_t size, void *arg)
{
    struct search *search = arg;
    struct imports imports = {.base = object->dlpi_addr};

    (void)size;
    if (strstr(object->dlpi_name, search->part) == NULL)
        return 0;
    for (int i = 0; i < object->dlpi_phnum; i++)
        if (object->dlpi_phdr[i].p_type == PT_DYNAMIC)
            read_dynamic(&imports,
                         (const void *)(imports.base + object->dlpi_phdr[i].p_vaddr));
    for (int i = 0; i < 2; i++) {
        size_t n = imports.sizes[i] / sizeof(ElfW(Rela));
        for (size_t j = 0; j < n; j++) {
            int rc = catch(&imports, &imports.tables[i][j]);
            if (rc < 0)
                return rc;
            search->found += rc;
        }
    }
    return 0;
}

int faults_attach(const char *part)
{
    struct search search = {part, 0};

    return dl_iterate_phdr(visit, &search) < 0 ? -1 : search.found;
}
