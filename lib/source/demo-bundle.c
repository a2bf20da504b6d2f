/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes of the recorded broken cluster that `svcdoctor demo` opens through the ordinary bundle reader. The Makefile packs the
 * folder and names the archive in DEMO_BUNDLE_FILE; the assembler takes it in, which gcc and clang do alike on x86-64 and arm64.
 */
#include <svcdoctor/source.h>

_Static_assert(sizeof(size_t) == 8, "demo_bundle_size is written as 8 bytes");

__asm__(".section .rodata\n"
	".global demo_bundle\n"
	".type demo_bundle, %object\n"
	".balign 16\n"
	"demo_bundle:\n"
	".incbin \"" DEMO_BUNDLE_FILE "\"\n"
	"demo_bundle_end:\n"
	".size demo_bundle, demo_bundle_end - demo_bundle\n"
	".global demo_bundle_size\n"
	".type demo_bundle_size, %object\n"
	".balign 8\n"
	"demo_bundle_size:\n"
	".8byte demo_bundle_end - demo_bundle\n"
	".size demo_bundle_size, 8\n"
	".previous\n");
