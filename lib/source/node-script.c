/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The script of `svcdoctor collect --script node`, which lies beside this file; the Makefile names it in NODE_SCRIPT_FILE. */
#include <svcdoctor/source.h>

_Static_assert(sizeof(size_t) == 8, "node_script_size is written as 8 bytes");

__asm__(".section .rodata\n"
	".global node_script\n"
	".type node_script, %object\n"
	"node_script:\n"
	".incbin \"" NODE_SCRIPT_FILE "\"\n"
	"node_script_end:\n"
	".size node_script, node_script_end - node_script\n"
	".global node_script_size\n"
	".type node_script_size, %object\n"
	".balign 8\n"
	"node_script_size:\n"
	".8byte node_script_end - node_script\n"
	".size node_script_size, 8\n"
	".previous\n");
