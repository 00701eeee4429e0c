# Completes twofactor(8) in fish. Made by: twofactor completions fish

function __twofactor_candidates
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -e words[1]
    # fish quotes what it puts in.
    set -l lines (command twofactor complete fish -- $words "$current" 2>/dev/null)
    set -l kind $lines[1]
    set -e lines[1]
    switch "$kind"
        case files
            __fish_complete_path "$current"
        case directories
            __fish_complete_directories "$current"
        case '*'
            test -n "$lines"; and printf '%s\n' $lines
    end
end

complete -c twofactor -f -a '(__twofactor_candidates)'
