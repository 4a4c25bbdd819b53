#include "agent/sandbox/libraries.h"

#include <elf.h>
#include <unistd.h>

#include <algorithm>

#include "base/sys.h"

namespace reeve::sandbox {
namespace {

#if defined(__x86_64__)
constexpr const char* kDirectories[] = {
    "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"};
#else
#error "the loader's default directories of this architecture are not known"
#endif

constexpr size_t kMaxProgramHeaders = 64;
constexpr size_t kMaxDynamicEntries = 1024;
constexpr size_t kMaxNameBytes = 256;

struct ElfFile {
  std::string interpreter;
  std::vector<std::string> needed;
};

template <typename T>
Status ReadValue(int fd, uint64_t offset, T& value) {
  const std::span<uint8_t> into(reinterpret_cast<uint8_t*>(&value), sizeof value);
  const size_t got = REEVE_TRY(sys::ReadAt(fd, into, static_cast<off_t>(offset)));
  if (got != sizeof value) return Fail(Code::kInvalidArgument, "ELF file ends too early");
  return {};
}

Result<std::string> ReadName(int fd, uint64_t offset) {
  uint8_t bytes[kMaxNameBytes];
  const size_t got = REEVE_TRY(sys::ReadAt(fd, bytes, static_cast<off_t>(offset)));
  const uint8_t* end = std::find<const uint8_t*>(bytes, bytes + got, 0);
  if (end == bytes + got) return Fail(Code::kInvalidArgument, "ELF file has a name without end");
  return std::string(AsText({bytes, end}));
}

Result<std::vector<Elf64_Phdr>> ReadProgramHeaders(int fd) {
  Elf64_Ehdr header;
  REEVE_TRY(ReadValue(fd, 0, header));
  if (!std::equal(header.e_ident, header.e_ident + SELFMAG, ELFMAG) || header.e_ident[EI_CLASS] != ELFCLASS64) {
    return Fail(Code::kInvalidArgument, "not a 64-bit ELF file");
  }
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > kMaxProgramHeaders) {
    return Fail(Code::kInvalidArgument, "ELF file has odd program headers");
  }
  std::vector<Elf64_Phdr> headers(header.e_phnum);
  for (size_t i = 0; i < headers.size(); ++i)
    REEVE_TRY(ReadValue(fd, header.e_phoff + i * sizeof(Elf64_Phdr), headers[i]));
  return headers;
}

Result<uint64_t> OffsetOf(const std::vector<Elf64_Phdr>& headers, uint64_t address) {
  for (const Elf64_Phdr& header : headers) {
    if (header.p_type != PT_LOAD) continue;
    if (address >= header.p_vaddr && address - header.p_vaddr < header.p_filesz) {
      return header.p_offset + (address - header.p_vaddr);
    }
  }
  return Fail(Code::kInvalidArgument, "ELF file points outside itself");
}

Status ReadNeeded(int fd, const std::vector<Elf64_Phdr>& headers, const Elf64_Phdr& dynamic, ElfFile& file) {
  std::vector<uint64_t> names;
  uint64_t strings = 0;
  const size_t count = std::min<uint64_t>(dynamic.p_filesz / sizeof(Elf64_Dyn), kMaxDynamicEntries);
  for (size_t i = 0; i < count; ++i) {
    Elf64_Dyn entry;
    REEVE_TRY(ReadValue(fd, dynamic.p_offset + i * sizeof entry, entry));
    if (entry.d_tag == DT_NULL) break;
    if (entry.d_tag == DT_NEEDED) names.push_back(entry.d_un.d_val);
    if (entry.d_tag == DT_STRTAB) strings = REEVE_TRY(OffsetOf(headers, entry.d_un.d_ptr));
  }
  for (const uint64_t name : names) file.needed.push_back(REEVE_TRY(ReadName(fd, strings + name)));
  return {};
}

Result<ElfFile> ReadElf(int fd) {
  const std::vector<Elf64_Phdr> headers = REEVE_TRY(ReadProgramHeaders(fd));
  ElfFile file;
  for (const Elf64_Phdr& header : headers) {
    if (header.p_type == PT_INTERP) file.interpreter = REEVE_TRY(ReadName(fd, header.p_offset));
    if (header.p_type == PT_DYNAMIC) REEVE_TRY(ReadNeeded(fd, headers, header, file));
  }
  return file;
}

Result<std::string> Find(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  for (const char* directory : kDirectories) {
    std::string path = std::string(directory) + "/" + name;
    if (::access(path.c_str(), R_OK) == 0) return path;
  }
  return Fail(Code::kNotFound, "library " + name + " is in no directory of the loader");
}

std::string BaseName(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

// Breadth first over what is needed; each name once.
class Closure {
 public:
  Status Add(int fd) {
    const ElfFile file = REEVE_TRY(ReadElf(fd));
    if (libraries_.loader.empty()) libraries_.loader = file.interpreter;
    for (const std::string& name : file.needed) REEVE_TRY(AddName(name));
    return {};
  }
  Result<Libraries> Finish() {
    for (size_t i = 0; i < libraries_.files.size(); ++i) {
      const std::string path = libraries_.files[i];
      const UniqueFd file = REEVE_TRY(sys::Open(path, O_RDONLY));
      REEVE_TRY(Add(file.get()));
    }
    // Libraries need the loader by its name, too; it stands already.
    std::erase_if(libraries_.files, [&](const std::string& path) {
      return !libraries_.loader.empty() && BaseName(path) == BaseName(libraries_.loader);
    });
    return libraries_;
  }

 private:
  Status AddName(const std::string& name) {
    if (std::find(names_.begin(), names_.end(), name) != names_.end()) return {};
    if (names_.size() >= kMaxLibraries) return Fail(Code::kTooLarge, "more than 128 libraries are needed");
    names_.push_back(name);
    libraries_.files.push_back(REEVE_TRY(Find(name)));
    return {};
  }
  std::vector<std::string> names_;
  Libraries libraries_;
};

}  // namespace

Result<Libraries> NeededLibraries(const std::vector<int>& elf_fds) {
  Closure closure;
  for (const int fd : elf_fds) REEVE_TRY(closure.Add(fd));
  return closure.Finish();
}

}  // namespace reeve::sandbox
