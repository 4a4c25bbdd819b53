#include "plugins/inventory/package_rows.h"

#include "base/testing.h"

namespace reeve::inventory {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kStatus =
    "Package: zlib1g\n"
    "Status: install ok installed\n"
    "Multi-Arch: same\n"
    "Architecture: amd64\n"
    "Version: 1:1.2.13.dfsg-1\n"
    "Description: compression library\n"
    " Package: not-this\n"
    " .\n"
    " Status: install ok installed\n"
    "\n"
    "Package: gone\n"
    "Status: deinstall ok config-files\n"
    "Architecture: all\n"
    "Version: 1\n"
    "\n"
    "Package: held\n"
    "Architecture: all\n"
    "Version: 2~rc1+b2\n"
    "Status: hold ok triggers-pending\n"
    "\n"
    "Package: broken\n"
    "Status: install reinstreq half-installed\n"
    "Architecture: all\n"
    "Version: 3\n";

std::vector<std::string> LinesOf(const PackageRows& rows) {
  std::vector<std::string> lines;
  for (const auto& row : rows) lines.push_back(row.name + " " + row.version + " " + row.architecture);
  return lines;
}

// Fed in pieces of that length.
Result<PackageRows> RowsIn(std::string_view text, size_t piece_bytes) {
  DpkgStatusReader reader;
  for (; !text.empty(); text.remove_prefix(std::min(piece_bytes, text.size()))) {
    if (Status fed = reader.Feed(text.substr(0, piece_bytes)); !fed) return std::unexpected(fed.error());
  }
  return reader.Finish();
}

std::string Paragraph(const std::string& name, const std::string& version = "1",
                      const std::string& architecture = "all") {
  return "Package: " + name + "\nStatus: install ok installed\nVersion: " + version +
         "\nArchitecture: " + architecture + "\n\n";
}

TEST(PackageRowsTest, WhatDpkgHasInstalledIsThereHoweverTheFileComes) {
  for (const size_t piece_bytes : {1, 2, 7, 64, 10'000}) {
    const auto rows = RowsIn(kStatus, piece_bytes);
    REEVE_ASSERT_OK(rows);
    EXPECT_THAT(LinesOf(*rows), ElementsAre("zlib1g 1:1.2.13.dfsg-1 amd64", "held 2~rc1+b2 all")) << piece_bytes;
  }
}

TEST(PackageRowsTest, WhatNoPackageManagerWroteIsLeftOut) {
  const std::string long_word(kMaxPackageWordBytes + 1, 'x');
  const std::string text = Paragraph(long_word) + Paragraph("two words") + Paragraph("quote\"") + Paragraph("\x01") +
                           Paragraph("a", "\xff") + Paragraph("b", "") + "Status: install ok installed\n\n" + "\n\n\n" +
                           Paragraph("good") + Paragraph("c", "1", long_word);
  const auto rows = RowsIn(text, 100);
  REEVE_ASSERT_OK(rows);
  EXPECT_THAT(LinesOf(*rows), ElementsAre("good 1 all"));
}

TEST(PackageRowsTest, AParagraphTakesNothingFromTheOneBefore) {
  const auto rows =
      RowsIn(Paragraph("a") +
                 "Package: b\nStatus: install ok installed\nVersion: 2\n\nPackage: c\nVersion: 3\nArchitecture: all\n",
             9);
  REEVE_ASSERT_OK(rows);
  EXPECT_THAT(LinesOf(*rows), ElementsAre("a 1 all"));
}

TEST(PackageRowsTest, ALineOfAnyLengthCostsNoMemory) {
  DpkgStatusReader reader;
  const std::string piece(1 << 20, 'x');
  for (int i = 0; i < 100; ++i) REEVE_ASSERT_OK(reader.Feed(piece));
  REEVE_ASSERT_OK(reader.Feed("\n" + Paragraph("good")));
  EXPECT_THAT(LinesOf(*reader.Finish()), ElementsAre("good 1 all"));
}

TEST(PackageRowsTest, MorePackagesThanAnybodyHasAreRefused) {
  DpkgStatusReader reader;
  for (size_t i = 0; i < kMaxPackages; ++i) REEVE_ASSERT_OK(reader.Feed(Paragraph("a")));
  EXPECT_THAT(reader.Feed(Paragraph("a")), FailsWith(Code::kTooLarge));
  std::string rpm;
  for (size_t i = 0; i <= kMaxPackages; ++i) rpm += "a\t1\tnoarch\n";
  EXPECT_THAT(RpmRowsIn(rpm), FailsWith(Code::kTooLarge));
}

TEST(PackageRowsTest, RpmsKeysAreNoPackages) {
  const auto rows = RpmRowsIn(
      "bash\t5.1.8-6.el9\tx86_64\n"
      "gpg-pubkey\t8483c65d-5ccc5b19\t(none)\n"
      "tzdata\t1:2023c\tnoarch\n"
      "half\t1\n"
      "four\t1\tx86_64\tmore\n"
      "\t\t\n"
      "last\t1\tnoarch");
  REEVE_ASSERT_OK(rows);
  EXPECT_THAT(LinesOf(*rows), ElementsAre("bash 5.1.8-6.el9 x86_64", "tzdata 1:2023c noarch", "last 1 noarch"));
}

TEST(PackageRowsTest, TheOrderIsByNameThenArchitectureThenVersion) {
  auto rows = RpmRowsIn("b\t1\tx\na\t2\ty\na\t9\tx\na\t10\tx\n");
  REEVE_ASSERT_OK(rows);
  SortPackages(*rows);
  EXPECT_THAT(LinesOf(*rows), ElementsAre("a 10 x", "a 9 x", "a 2 y", "b 1 x"));
}

TEST(PackageRowsTest, WhatRpmPrintsThatIsNoListIsAnError) {
  EXPECT_THAT(RpmRowsIn("warning: no database\n"), FailsWith(Code::kBadMessage));
  EXPECT_THAT(*RpmRowsIn("gpg-pubkey\t8483c65d-5ccc5b19\t(none)\n"), IsEmpty());
  EXPECT_THAT(*RpmRowsIn(""), IsEmpty());
}

TEST(PackageRowsTest, APrefixIsThatOfTheName) {
  auto rows = RpmRowsIn("ab\t1\tx\nb\t1\tx\na\t2\ty\nabc\t10\tx\nac\t10\tx\n");
  REEVE_ASSERT_OK(rows);
  SortPackages(*rows);
  const auto names = [&](std::string_view prefix) {
    std::string found;
    for (const auto& row : WithPrefix(*rows, prefix)) found += row.name + " ";
    return found;
  };
  EXPECT_EQ(names(""), "a ab abc ac b ");
  EXPECT_EQ(names("a"), "a ab abc ac ");
  EXPECT_EQ(names("ab"), "ab abc ");
  EXPECT_EQ(names("abcd"), "");
  EXPECT_EQ(names("c"), "");
}

}  // namespace
}  // namespace reeve::inventory
