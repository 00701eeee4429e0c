#compdef twofactor
# Completes twofactor(8) in zsh. Made by: twofactor completions zsh

_twofactor() {
    local -a lines names texts
    local kind tab=$'\t'
    # (Q) takes quotes away, and expands nothing; compadd puts them back.
    lines=("${(@f)$(command twofactor complete zsh -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    kind=$lines[1]
    shift lines
    case $kind in
    files) compset -P '--*='; _files ;;
    directories) compset -P '--*='; _files -/ ;;
    *)
        (( $#lines )) || return 1
        names=("${(@)lines%%$tab*}")
        texts=("${(@)lines/$tab/  -- }")
        texts=("${(@)texts%  -- }")
        if [[ $kind == described ]]; then
            compadd -l -d texts -a names
        else
            compadd -a names
        fi
        ;;
    esac
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _twofactor "$@"
else
    compdef _twofactor twofactor
fi
