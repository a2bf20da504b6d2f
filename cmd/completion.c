/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * svcdoctor completion: a script for bash, zsh or fish. Each asks the program that is on the path (complete.c) and hands on what it says,
 * so that it fits whatever version is installed. Nothing that comes from outside is ever evaluated: candidates are read line by line.
 */
#include "cmd.h"

static const char *const shells[] = { "bash", "zsh", "fish", NULL };

static const struct opt options[] = { OPT_ROW_HELP, OPT_ROW_END };

/*
 * COMP_WORDS are cut at "=" and ":" too (COMP_WORDBREAKS), and what readline replaces is the last piece only: words are joined
 * again by the blanks of the line, and candidates lose what stands before that piece.
 */
static const char bash_script[] =
	"# bash completion for svcdoctor; load it with: source <(svcdoctor completion bash)\n"
	"_svcdoctor() {\n"
	"\tlocal line=${COMP_LINE:0:COMP_POINT} gap piece head= i last=-1 answer directive=4\n"
	"\tlocal -a words=()\n"
	"\tCOMPREPLY=()\n"
	"\tfor ((i = 0; i <= COMP_CWORD; i++)); do\n"
	"\t\tgap=${line%%[![:blank:]]*} line=${line#\"${line%%[![:blank:]]*}\"}\n"
	"\t\tpiece=${COMP_WORDS[i]:0:${#line}} line=${line:${#piece}}\n"
	"\t\tif ((i > 0)) && [[ -z $gap ]]; then\n"
	"\t\t\thead=${words[last]} words[last]+=$piece\n"
	"\t\telse\n"
	"\t\t\thead= words[++last]=$piece\n"
	"\t\tfi\n"
	"\tdone\n"
	"\t[[ $piece == *[!=:]* ]] || head+=$piece\n"
	"\tfor ((i = 0; i <= last; i++)); do\n"
	"\t\twords[i]=${words[i]//[\\\"\\'\\\\]/}\n"
	"\t\t[[ ${words[i]} != '~/'* ]] || words[i]=$HOME/${words[i]:2}\n"
	"\tdone\n"
	"\thead=${head//[\\\"\\'\\\\]/}\n"
	"\tanswer=$(svcdoctor __complete \"${words[@]:1}\" 2>/dev/null) || return\n"
	"\twhile IFS= read -r line; do\n"
	"\t\tcase $line in\n"
	"\t\t:[0-9]*) directive=${line#:} ;;\n"
	"\t\t?*)\n"
	"\t\t\tline=${line%%$'\\t'*}\n"
	"\t\t\tCOMPREPLY+=(\"${line#\"$head\"}\") ;;\n"
	"\t\tesac\n"
	"\tdone <<<\"$answer\"\n"
	"\t((directive & 2)) && compopt -o nospace 2>/dev/null\n"
	"\tif ((!(directive & 4))); then\n"
	"\t\tcompopt -o filenames 2>/dev/null\n"
	"\t\t[[ $piece != [=:] ]] || piece=\n"
	"\t\twhile IFS= read -r line; do\n"
	"\t\t\tCOMPREPLY+=(\"$line\")\n"
	"\t\tdone < <(compgen -f -- \"$piece\")\n"
	"\tfi\n"
	"\treturn 0\n"
	"}\n"
	"complete -F _svcdoctor svcdoctor kubectl-svcdoctor\n";

static const char zsh_script[] =
	"#compdef svcdoctor kubectl-svcdoctor\n"
	"# zsh completion for svcdoctor; load it with: source <(svcdoctor completion zsh)\n"
	"_svcdoctor() {\n"
	"\tlocal line word directive=4\n"
	"\tlocal -a before options described lines\n"
	"\tbefore=(\"${(@Q)words[2,CURRENT-1]}\")\n"
	"\tbefore=(\"${(@)before/#\\~\\//$HOME/}\")\n"
	"\tlines=(\"${(@f)$(svcdoctor __complete \"${(@)before}\" \"${(Q)PREFIX}\" 2>/dev/null)}\")\n"
	"\tfor line in \"${(@)lines}\"; do\n"
	"\t\tif [[ $line == :<-> ]]; then\n"
	"\t\t\tdirective=${line#:}\n"
	"\t\telif [[ -n $line ]]; then\n"
	"\t\t\tword=${line%%$'\\t'*}\n"
	"\t\t\tword=${word//:/\\\\:}\n"
	"\t\t\t[[ $line == *$'\\t'* ]] && word+=:${line#*$'\\t'}\n"
	"\t\t\tdescribed+=(\"$word\")\n"
	"\t\tfi\n"
	"\tdone\n"
	"\t(( directive & 2 )) && options=(-S '')\n"
	"\tif (( ! (directive & 4) )); then\n"
	"\t\tcompset -P '*='\n"
	"\t\t_files\n"
	"\t\treturn\n"
	"\tfi\n"
	"\t(( $#described )) && _describe -t svcdoctor svcdoctor described \"${(@)options}\"\n"
	"}\n"
	"if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n"
	"\t_svcdoctor \"$@\"\n"
	"else\n"
	"\tcompdef _svcdoctor svcdoctor kubectl-svcdoctor\n"
	"fi\n";

static const char fish_script[] =
	"# fish completion for svcdoctor; load it with: svcdoctor completion fish | source\n"
	"function __svcdoctor_complete\n"
	"\tset -l words (commandline -opc)\n"
	"\tset -e words[1]\n"
	"\tset -l current (commandline -ct | string replace -ra '[\\'\"\\\\\\\\]' '')\n"
	"\tset words (string replace -r '^~/' \"$HOME/\" -- $words)\n"
	"\tset -l directive 4\n"
	"\tfor line in (svcdoctor __complete $words \"$current\" 2>/dev/null)\n"
	"\t\tif string match -qr '^:[0-9]+$' -- $line\n"
	"\t\t\tset directive (string sub -s 2 -- $line)\n"
	"\t\telse if test -n \"$line\"\n"
	"\t\t\techo $line\n"
	"\t\tend\n"
	"\tend\n"
	"\tif test $directive -lt 4\n"
	"\t\tset -l head (string match -r '^--[a-z-]+=' -- $current)\n"
	"\t\tfor path in (__fish_complete_path (string replace -r '^--[a-z-]+=' '' -- $current))\n"
	"\t\t\techo \"$head$path\"\n"
	"\t\tend\n"
	"\tend\n"
	"end\n"
	"complete -c svcdoctor -f -a '(__svcdoctor_complete)'\n"
	"complete -c kubectl-svcdoctor -f -a '(__svcdoctor_complete)'\n";

static int run(struct context *c)
{
	static const char *const scripts[] = { bash_script, zsh_script, fish_script };
	const char *shell = c->o.args.v[0];
	for (size_t i = 0; shells[i]; i++) {
		if (strcmp(shells[i], shell) == 0) {
			fputs(scripts[i], c->out);
			return CODE_HEALTHY;
		}
	}
	const char *near = nearest_name(shell, shells);
	if (near) {
		return usage_error(c, "there is no completion for '%s': did you mean '%s'?", shell, near);
	}
	return usage_error(c, "there is no completion for '%s', only for bash, zsh and fish", shell);
}

const struct command command_completion = {
	.name = "completion",
	.arguments = "SHELL",
	.args_min = 1,
	.args_max = 1,
	.help = "prints a completion script for bash, zsh or fish",
	.values = shells,
	.options = options,
	.run = run,
};
