/* An object that is no plugin. */
int reeve_not_a_plugin(void);
int reeve_not_a_plugin(void) {
  return 0;
}
