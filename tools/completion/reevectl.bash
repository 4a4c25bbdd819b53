# bash completion for reevectl. It asks the tool's own --help, so it knows what the tool knows.

# The words that may follow `$@`: subcommands, then options; with `values` first, only the options that take a value.
_reevectl_words() {
  local which=$1
  shift
  command "$@" --help 2>/dev/null | awk -v which="$which" '
    /^[A-Z][A-Za-z ]*:$/ { section = $1 }
    section == "Subcommands:" && which == "commands" && /^  [a-z]/ { print $1 }
    section == "Options:" && /^  -/ {
      takes_value = $2 ~ /^[A-Z]+([=:].*)?$/
      if (which == "values" && !takes_value || which == "commands") next
      count = split($1, names, ",")
      for (i = 1; i <= count; i++) print names[i]
    }'
}

_reevectl() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} word i
  local -a path=("${COMP_WORDS[0]}")
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    [[ $word != -* ]] && _reevectl_words commands "${path[@]}" | grep -qxF -e "$word" && path+=("$word")
  done
  if [[ $previous == -* ]] && _reevectl_words values "${path[@]}" | grep -qxF -e "$previous"; then
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  elif [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_reevectl_words options "${path[@]}" && _reevectl_words options "${path[0]}")" \
                             -- "$current" | sort -u)
  else
    mapfile -t COMPREPLY < <(compgen -W "$(_reevectl_words commands "${path[@]}")" -- "$current")
  fi
}

complete -o filenames -F _reevectl reevectl
