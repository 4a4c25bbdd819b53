# bash completion for reeved, and for its other name qemu-ga. It asks the program's own --help.

_reeved() {
  local current=${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(command "${COMP_WORDS[0]}" --help 2>/dev/null |
      grep -oE '^ +(-[A-Za-z0-9], )?--[a-z-]+|^ +-[A-Za-z0-9]' | tr -d ' ' | tr ',' '\n' | sort -u)" -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  fi
}

complete -o filenames -F _reeved reeved qemu-ga
