/*
 * A program that a test plays, under whatever name it is started: it writes down its name and its words, says what stands in
 * STAGE/NAME.says and ends as STAGE/NAME.exit says; as `NAME status ...` it ends as STAGE/status says. STAGE is compiled in. In C,
 * since a script does not learn by which link it was started.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *open_of(const char *name, const char *ending, const char *mode) {
  char path[4096];
  snprintf(path, sizeof path, STAGE "/%s%s", name, ending);
  return fopen(path, mode);
}

static int number_in(const char *name, const char *ending) {
  int number = 0;
  FILE *file = open_of(name, ending, "r");
  if (file == NULL) return 0;
  if (fscanf(file, "%d", &number) != 1) number = 0;
  fclose(file);
  return number;
}

int main(int argc, char **argv) {
  const char *slash = strrchr(argv[0], '/');
  const char *name = slash == NULL ? argv[0] : slash + 1;
  FILE *calls = open_of("calls", "", "a");
  if (calls == NULL) return 99;
  fputs(name, calls);
  for (int i = 1; i < argc; i++) fprintf(calls, " %s", argv[i]);
  fputs("\n", calls);
  fclose(calls);
  if (argc > 1 && strcmp(argv[1], "status") == 0) return number_in("status", "");

  FILE *says = open_of(name, ".says", "r");
  for (int c; says != NULL && (c = fgetc(says)) != EOF;) putchar(c);
  return number_in(name, ".exit");
}
