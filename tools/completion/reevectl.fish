# fish completion for reevectl. It asks the tool's own --help, so it knows what the tool knows.

function __reevectl_words
    set -l which $argv[1]
    command $argv[2..-1] --help 2>/dev/null | awk -v which="$which" '
    /^[A-Z][A-Za-z ]*:$/ { section = $1 }
    section == "Subcommands:" && which == "commands" && /^  [a-z]/ { print $1 }
    section == "Options:" && /^  -/ {
      takes_value = $2 ~ /^[A-Z]+([=:].*)?$/
      if (which == "values" && !takes_value || which == "commands") next
      count = split($1, names, ",")
      for (i = 1; i <= count; i++) print names[i]
    }'
end

function __reevectl_complete
    set -l given (commandline -opc)
    set -l way $given[1]
    for word in $given[2..-1]
        contains -- $word (__reevectl_words commands $way); and set -a way $word
    end
    if contains -- $given[-1] (__reevectl_words values $way)
        __fish_complete_path (commandline -ct)
    else if string match -q -- '-*' (commandline -ct)
        begin
            __reevectl_words options $way
            __reevectl_words options $way[1]
        end | sort -u
    else
        __reevectl_words commands $way
    end
end

complete -c reevectl -f -a '(__reevectl_complete)'
