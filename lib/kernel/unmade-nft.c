/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "kernel-private.h"

int kernel_nft(struct kernel_text *ret_save4, struct kernel_text *ret_save6, struct kernel_text *ret_json)
{
	struct kernel_text *const all[] = { ret_save4, ret_save6, ret_json };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (all[i])
			(void)kernel_text_end(all[i], KERNEL_FAILED, "not read by this version");
	return 0;
}
