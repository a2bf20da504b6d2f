# bash completion for svcdoctor; the script itself comes from the program, so that it always fits it
eval "$(svcdoctor completion bash 2>/dev/null)"
