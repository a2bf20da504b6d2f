# fish completion for svcdoctor; the script itself comes from the program, so that it always fits it
svcdoctor completion fish 2>/dev/null | source
