/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BENCH_PRIVATE_H
#define BENCH_PRIVATE_H

int bench_log(int argc, char **argv); /* the words behind "log"; the status to exit with */

#endif
