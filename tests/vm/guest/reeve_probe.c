// Tells what the kernel it runs on offers; one word a question. Static, since the guest image holds no compiler's runtime.
#include <linux/landlock.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int PrintLandlockLevel(void) {
  const long level = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (level < 0) {
    perror("landlock_create_ruleset");
    return 1;
  }
  printf("%ld\n", level);
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 2 && strcmp(argv[1], "landlock-level") == 0) return PrintLandlockLevel();
  fprintf(stderr, "usage: %s landlock-level\n", argv[0]);
  return 2;
}
