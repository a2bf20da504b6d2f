/* SPDX-License-Identifier: GPL-2.0-or-later */
/* svcdoctor version: the version, and what this build can read and write. */
#include <jansson.h>

#include "cmd.h"

static const struct opt options[] = {
	OPT_ROW_FORMAT(choices_format2),
	OPT_ROW_OUTPUT_FILE,
	OPT_ROW_HELP,
	OPT_ROW_END,
};

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANITIZER "address"
#else
#define SANITIZER "none"
#endif

static int run(struct context *c)
{
	static const struct version_fact facts[] = {
		{ "sources", "bundle, demo" },
		{ "rules", "iptables-save (legacy, nft; IPv4, IPv6), nft -j" },
		{ "formats", "text, json, lines, junit" },
		{ "jansson", JANSSON_VERSION },
		{ "compiler", COMPILER },
		{ "sanitizer", SANITIZER },
	};
	return report_version(&c->report, SVCDOCTOR_VERSION, facts, ARRAY_LEN(facts));
}

const struct command command_version = {
	.name = "version",
	.arguments = "",
	.help = "shows the version and what this build can do",
	.options = options,
	.run = run,
};
