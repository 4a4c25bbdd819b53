#include "base/base64.h"

#include <random>

#include "base/testing.h"

namespace reeve {
namespace {

std::string RandomBytes(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

std::string EncodeInPieces(std::string_view bytes, size_t piece_bytes) {
  Base64Encoder encoder;
  std::string text;
  std::string place(Base64Encoder::Room(piece_bytes), '#');
  for (size_t at = 0; at < bytes.size(); at += piece_bytes) {
    text += place.substr(0, encoder.Encode(AsBytes(bytes.substr(at, piece_bytes)), place.data()));
  }
  text += place.substr(0, encoder.Finish(place.data()));
  return text;
}

Result<std::string> DecodeInPieces(std::string_view text, size_t piece_chars) {
  Base64Decoder decoder;
  std::string bytes;
  for (size_t at = 0; at < text.size(); at += piece_chars) {
    bytes += AsText(REEVE_TRY(decoder.Decode(text.substr(at, piece_chars))));
  }
  REEVE_TRY(decoder.Finish());
  return bytes;
}

TEST(Base64Test, KnowsTheVectorsOfTheRfc) {
  const std::pair<std::string, std::string> vectors[] = {{"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
                                                         {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(Base64Encode(AsBytes(bytes)), text);
    EXPECT_EQ(Base64Decode(text).value(), bytes);
  }
}

TEST(Base64Test, PieceSizeChangesNothing) {
  const std::string bytes = RandomBytes(1000, 1);
  const std::string text = Base64Encode(AsBytes(bytes));
  for (size_t piece : {1, 2, 3, 4, 5, 7, 64, 999, 1000, 5000}) {
    EXPECT_EQ(EncodeInPieces(bytes, piece), text) << piece;
    EXPECT_EQ(DecodeInPieces(text, piece).value(), bytes) << piece;
  }
}

TEST(Base64Test, EncoderIsReadyForTheNextValueAfterFinish) {
  Base64Encoder encoder;
  for (int i = 0; i < 2; ++i) {
    char place[Base64Encoder::Room(5) + Base64Encoder::Room(0)];
    const size_t whole = encoder.Encode(AsBytes("fooba"), place);
    EXPECT_EQ(std::string_view(place, whole + encoder.Finish(place + whole)), "Zm9vYmE=");
  }
}

TEST(Base64Test, RoomIsEnoughForTheWorstWaitingBytesAndItsNul) {
  for (size_t piece = 0; piece < 20; ++piece) {
    Base64Encoder encoder;
    std::string place(Base64Encoder::Room(2) + Base64Encoder::Room(piece), '#');
    encoder.Encode(AsBytes("ab"), place.data());
    const size_t written = encoder.Encode(AsBytes(std::string(piece, 'x')), place.data());
    EXPECT_LT(written, Base64Encoder::Room(piece));
    EXPECT_EQ(written, (piece + 2) / 3 * 4);
  }
  for (size_t room = Base64Encoder::Room(0); room < 100; ++room) {
    EXPECT_LE(Base64Encoder::Room(Base64Encoder::PieceFor(room)), room);
    EXPECT_GT(Base64Encoder::Room(Base64Encoder::PieceFor(room) + 1), room);
  }
}

TEST(Base64Test, LineEndsAreSkippedWhereverTheyStand) {
  for (size_t piece : {1, 2, 3, 100}) {
    EXPECT_EQ(DecodeInPieces("\nZm\r\n9v\nYmE\n=\r\n", piece).value(), "fooba") << piece;
    EXPECT_EQ(DecodeInPieces("\r\n\n", piece).value(), "") << piece;
  }
}

TEST(Base64Test, RefusesOtherCharactersThanTheAlphabets) {
  for (const char* text : {"Zm9 v", "Zm9v YmE=", "Zm-_", "Zm9v\t", "Zm9\\", "\xff\xff\xff\xff", "Zm9v*AAA"}) {
    for (size_t piece : {1, 3, 100}) {
      EXPECT_THAT(DecodeInPieces(text, piece), FailsSaying("Base64 data contains invalid characters")) << text;
    }
  }
  EXPECT_THAT(DecodeInPieces(std::string_view("Zm9v\0AAA", 8), 100), FailsWith(Code::kInvalidArgument));
}

TEST(Base64Test, RefusesATailThatIsNotWhole) {
  for (const char* text : {"aGVsbG8", "aGk", "a", "Zm9va", "aG=", "Zg="}) {
    for (size_t piece : {1, 2, 100}) {
      EXPECT_THAT(DecodeInPieces(text, piece), FailsSaying(std::string(Base64Decoder::kInvalid))) << text;
    }
  }
}

TEST(Base64Test, RefusesPaddingAnywhereButAtTheEnd) {
  for (const char* text : {"====", "aGVsbG8=aGVs", "Zg==Zg==", "=Zm9", "Z=m9", "Zm==9AAA", "Zg======", "A==="}) {
    for (size_t piece : {1, 4, 8, 100}) {
      EXPECT_THAT(DecodeInPieces(text, piece), FailsSaying(std::string(Base64Decoder::kInvalid)))
          << text << " " << piece;
    }
  }
}

TEST(Base64Test, AcceptsNonZeroBitsBelowThePadding) {
  EXPECT_EQ(Base64Decode("aH==").value(), "h");
}

TEST(Base64Test, DecoderIsReadyForTheNextValueAfterFinish) {
  Base64Decoder decoder;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(AsText(decoder.Decode("Zg==").value()), "f");
    EXPECT_THAT(decoder.Finish(), IsOk());
  }
}

}  // namespace
}  // namespace reeve
