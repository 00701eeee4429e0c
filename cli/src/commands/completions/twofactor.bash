# Completes twofactor(8) in bash. Made by: twofactor completions bash

_twofactor() {
    local kind=
    COMPREPLY=()
    # The line goes along as it is typed: nothing in it is expanded, here or there.
    {
        IFS= read -r kind
        mapfile -t COMPREPLY
    } < <(command twofactor complete bash -- "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
    case $kind in
    files) compopt -o default ;;
    directories) compopt -o dirnames ;;
    esac
}

complete -F _twofactor twofactor
