/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * svcdoctor completion: a script for bash, zsh or fish, made from the same tables as parsing and help. Words that
 * stand in the scripts are the program's own (names of commands, options, values, checks); none comes from outside.
 */
#include <errno.h>

#include "cmd.h"

static const char *const shells[] = { "bash", "zsh", "fish", NULL };

static const struct opt options[] = { OPT_ROW_HELP, OPT_ROW_END };

static void add_words(struct strbuf *b, const char *const *words)
{
	for (size_t i = 0; words && words[i]; i++) {
		strbuf_addf(b, "%s%s", i ? " " : "", words[i]);
	}
}

static void add_checks(struct strbuf *b)
{
	for (const struct check *k = check_catalogue; k->id; k++) {
		strbuf_addf(b, "%s%s", k == check_catalogue ? "" : " ", k->id);
	}
}

static void add_command_names(struct strbuf *b)
{
	for (size_t i = 0; commands[i]; i++) {
		strbuf_addf(b, "%s%s", i ? " " : "", commands[i]->name);
	}
}

/* The words that may follow an option or be an argument; nothing where they are not known. */
static void add_values(struct strbuf *b, const char *const *choices, enum opt_complete complete)
{
	if (choices) {
		add_words(b, choices);
	} else if (complete == COMPLETE_CHECK) {
		add_checks(b);
	}
}

/* ---- bash ---- */

static void bash_option(struct strbuf *b, const struct opt *row)
{
	if (!row->arg) {
		return;
	}
	strbuf_addf(b, "\t\t--%s", row->name);
	if (row->letter) {
		strbuf_addf(b, " | -%c", row->letter);
	}
	strbuf_adds(b, ")\n");
	if (row->complete == COMPLETE_FILE) {
		strbuf_adds(b, "\t\t\tcompopt -o filenames 2>/dev/null\n\t\t\tCOMPREPLY=($(compgen -f -- "
			       "\"$cur\"))\n");
	} else {
		strbuf_adds(b, "\t\t\tCOMPREPLY=($(compgen -W '");
		add_values(b, row->choices, row->complete);
		strbuf_adds(b, "' -- \"$cur\"))\n");
	}
	strbuf_adds(b, "\t\t\treturn ;;\n");
}

static void bash_command(struct strbuf *b, const struct command *cmd)
{
	strbuf_addf(b, "\t%s)\n\t\tcase $prev in\n", cmd->name);
	const struct opt *row;
	for (size_t i = 0; (row = command_row(cmd, i)); i++) {
		bash_option(b, row);
	}
	strbuf_adds(b, "\t\tesac\n\t\tif [[ $cur == -* ]]; then\n\t\t\tCOMPREPLY=($(compgen -W '");
	for (size_t i = 0; (row = command_row(cmd, i)); i++) {
		strbuf_addf(b, "%s--%s", i ? " " : "", row->name);
		if (row->letter) {
			strbuf_addf(b, " -%c", row->letter);
		}
	}
	strbuf_adds(b, "' -- \"$cur\"))\n\t\telse\n\t\t\tCOMPREPLY=($(compgen -W '");
	add_values(b, cmd->values, cmd->complete);
	strbuf_adds(b, "' -- \"$cur\"))\n\t\tfi ;;\n");
}

static void bash_script(struct strbuf *b)
{
	strbuf_adds(b, "# bash completion for svcdoctor; load it with: source <(svcdoctor completion bash)\n"
		       "_svcdoctor() {\n"
		       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
		       "\tCOMPREPLY=()\n"
		       "\tif [[ $prev == = && $COMP_CWORD -gt 2 ]]; then\n"
		       "\t\tprev=${COMP_WORDS[COMP_CWORD-2]}\n"
		       "\telif [[ $cur == = ]]; then\n"
		       "\t\tcur=\n"
		       "\tfi\n"
		       "\tif [[ $COMP_CWORD -eq 1 ]]; then\n"
		       "\t\tCOMPREPLY=($(compgen -W '");
	add_command_names(b);
	strbuf_adds(b, " --help --version' -- \"$cur\"))\n\t\treturn\n\tfi\n\tcase ${COMP_WORDS[1]} in\n");
	for (size_t i = 0; commands[i]; i++) {
		bash_command(b, commands[i]);
	}
	strbuf_adds(b, "\tesac\n}\ncomplete -F _svcdoctor svcdoctor\n");
}

/* ---- zsh ---- */

/* Text inside an _arguments specification within single quotes. */
static void zsh_text(struct strbuf *b, const char *s)
{
	for (; *s; s++) {
		if (strchr("[]:\\", *s)) {
			strbuf_addc(b, '\\');
			strbuf_addc(b, *s);
		} else if (*s == '\'') {
			strbuf_adds(b, "'\\''");
		} else {
			strbuf_addc(b, *s);
		}
	}
}

static void zsh_values(struct strbuf *b, const char *const *choices, enum opt_complete complete)
{
	if (complete == COMPLETE_FILE) {
		strbuf_adds(b, "_files");
		return;
	}
	if (!choices && complete == COMPLETE_NOTHING) {
		strbuf_addc(b, ' ');
		return;
	}
	strbuf_addc(b, '(');
	add_values(b, choices, complete);
	strbuf_addc(b, ')');
}

static void zsh_option(struct strbuf *b, const struct opt *row)
{
	const char *repeat = row->kind == OPT_LIST ? "*" : "";
	for (int form = 0; form < (row->letter ? 2 : 1); form++) {
		strbuf_addf(b, " \\\n\t\t\t'%s", repeat);
		if (form == 0) {
			strbuf_addf(b, "--%s%s", row->name, row->arg ? "=" : "");
		} else {
			strbuf_addf(b, "-%c%s", row->letter, row->arg ? "+" : "");
		}
		strbuf_addc(b, '[');
		zsh_text(b, row->help);
		strbuf_addc(b, ']');
		if (row->arg) {
			strbuf_addc(b, ':');
			zsh_text(b, row->arg);
			strbuf_addc(b, ':');
			zsh_values(b, row->choices, row->complete);
		}
		strbuf_addc(b, '\'');
	}
}

static void zsh_script(struct strbuf *b)
{
	strbuf_adds(b, "#compdef svcdoctor\n"
		       "# zsh completion for svcdoctor; load it with: source <(svcdoctor completion zsh)\n"
		       "_svcdoctor() {\n"
		       "\tlocal -a commands\n"
		       "\tcommands=(");
	for (size_t i = 0; commands[i]; i++) {
		strbuf_addf(b, "\n\t\t'%s:", commands[i]->name);
		zsh_text(b, commands[i]->help);
		strbuf_addc(b, '\'');
	}
	strbuf_adds(b, "\n\t)\n"
		       "\tif (( CURRENT == 2 )); then\n"
		       "\t\t_describe -t commands command commands\n"
		       "\t\treturn\n"
		       "\tfi\n"
		       "\tlocal command=$words[2]\n"
		       "\tshift words\n"
		       "\t(( CURRENT-- ))\n"
		       "\tcase $command in\n");
	for (size_t i = 0; commands[i]; i++) {
		strbuf_addf(b, "\t%s)\n\t\t_arguments -s -S", commands[i]->name);
		const struct opt *row;
		for (size_t j = 0; (row = command_row(commands[i], j)); j++) {
			zsh_option(b, row);
		}
		if (commands[i]->args_max > 0) {
			strbuf_adds(b, " \\\n\t\t\t'*:argument:");
			zsh_values(b, commands[i]->values, commands[i]->complete);
			strbuf_addc(b, '\'');
		}
		strbuf_adds(b, " ;;\n");
	}
	strbuf_adds(b, "\tesac\n}\n"
		       "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n"
		       "\t_svcdoctor \"$@\"\n"
		       "else\n"
		       "\tcompdef _svcdoctor svcdoctor\n"
		       "fi\n");
}

/* ---- fish ---- */

static void fish_text(struct strbuf *b, const char *s)
{
	strbuf_addc(b, '\'');
	for (; *s; s++) {
		if (*s == '\'' || *s == '\\') {
			strbuf_addc(b, '\\');
		}
		strbuf_addc(b, *s);
	}
	strbuf_addc(b, '\'');
}

static void fish_option(struct strbuf *b, const struct command *cmd, const struct opt *row)
{
	strbuf_addf(b, "complete -c svcdoctor -n '__fish_seen_subcommand_from %s' -l %s", cmd->name,
		    row->name);
	if (row->letter) {
		strbuf_addf(b, " -s %c", row->letter);
	}
	if (row->arg && row->complete == COMPLETE_FILE) {
		strbuf_adds(b, " -r -F");
	} else if (row->arg) {
		strbuf_adds(b, " -x");
		if (row->choices || row->complete == COMPLETE_CHECK) {
			strbuf_adds(b, " -a '");
			add_values(b, row->choices, row->complete);
			strbuf_addc(b, '\'');
		}
	}
	strbuf_adds(b, " -d ");
	fish_text(b, row->help);
	strbuf_addc(b, '\n');
}

static void fish_script(struct strbuf *b)
{
	strbuf_adds(b, "# fish completion for svcdoctor; load it with: svcdoctor completion fish | source\n"
		       "complete -c svcdoctor -f\n");
	for (size_t i = 0; commands[i]; i++) {
		const struct command *cmd = commands[i];
		strbuf_addf(b, "complete -c svcdoctor -n __fish_use_subcommand -a %s -d ", cmd->name);
		fish_text(b, cmd->help);
		strbuf_addc(b, '\n');
		const struct opt *row;
		for (size_t j = 0; (row = command_row(cmd, j)); j++) {
			fish_option(b, cmd, row);
		}
		if (cmd->values || cmd->complete == COMPLETE_CHECK) {
			strbuf_addf(b, "complete -c svcdoctor -n '__fish_seen_subcommand_from %s' -a '",
				    cmd->name);
			add_values(b, cmd->values, cmd->complete);
			strbuf_adds(b, "'\n");
		}
	}
}

static int run(struct context *c)
{
	static void (*const scripts[])(struct strbuf * b) = { bash_script, zsh_script, fish_script };
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	const char *shell = c->o.args.v[0];
	for (size_t i = 0; shells[i]; i++) {
		if (strcmp(shells[i], shell) == 0) {
			scripts[i](&b);
			if (b.failed) {
				return -ENOMEM;
			}
			(void)fwrite(b.s, 1, b.len, c->out);
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
