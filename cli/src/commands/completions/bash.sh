# Completes twofactor(8) in bash. Made by: twofactor completions bash

# Sets `commands` and `options` to the words that may follow the subcommand $1, and `values` to what its arguments
# are: user, service, file, directory, text, or =word,word.
_twofactor_words() {
    case $1 in
@WORDS@
    *) commands= options= values= ;;
    esac
}

# Sets `value` to what the option $2 of the subcommand $1 takes, or to nothing.
_twofactor_value() {
    case "$1 $2" in
@VALUES@
    *) value= ;;
    esac
}

_twofactor() {
    local cur=${COMP_WORDS[COMP_CWORD]} path=twofactor value= position=0 i word
    local commands= options= values=
    [[ $cur != = ]] || cur=
    _twofactor_words "$path"
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        # Readline makes three words of --option=value.
        [[ $word != = ]] || continue
        if [[ -n $value ]]; then
            value=
        elif [[ $word == -* ]]; then
            _twofactor_value "$path" "$word"
        elif [[ " $commands " == *" $word "* ]]; then
            path+=" $word"
            _twofactor_words "$path"
        else
            position=$((position + 1))
        fi
    done
    if [[ -z $value && $cur != -* ]]; then
        local -a arguments=($values)
        value=${arguments[position]}
        [[ -z $commands ]] || value="=${commands// /,}"
    fi
    local found=
    case $value in
    user) found=$(compgen -u -- "$cur") ;;
    service) found=$(compgen -W "$(cd /etc/pam.d 2>/dev/null && printf '%s ' *)" -- "$cur") ;;
    file) compopt -o filenames 2>/dev/null; found=$(compgen -f -- "$cur") ;;
    directory) compopt -o filenames 2>/dev/null; found=$(compgen -d -- "$cur") ;;
    =*) value=${value#=}; found=$(compgen -W "${value//,/ }" -- "$cur") ;;
    text) ;;
    *) found=$(compgen -W "$options" -- "$cur") ;;
    esac
    COMPREPLY=()
    [[ -z $found ]] || mapfile -t COMPREPLY <<<"$found"
}

complete -F _twofactor twofactor
