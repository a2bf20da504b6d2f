/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Times as logs tell them. Days are counted by the proleptic Gregorian calendar, without the C library, whose functions look at the
 * environment and cost more than all else that is done with a line.
 */
#include <ctype.h>

#include "klog-private.h"

#define DAY 86400

/* Days since 1970; years are counted from March, so that the day of a leap year is the last one. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
	const int64_t y = month > 2 ? year : year - 1;
	const int64_t era = (y >= 0 ? y : y - 399) / 400;
	const int64_t in_era = y - era * 400, in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static void date_of(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
	const int64_t z = days + 719468, era = z / 146097, in_era = z - era * 146097;
	const int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	const int64_t in_year = in_era - (365 * y + y / 4 - y / 100), m = (5 * in_year + 2) / 153;

	*day = (unsigned)(in_year - (153 * m + 2) / 5 + 1);
	*month = (unsigned)(m < 10 ? m + 3 : m - 9);
	*year = (unsigned)(y + era * 400 + (*month <= 2));
}

static void put(char *s, unsigned v, unsigned digits)
{
	while (digits-- > 0) {
		s[digits] = (char)('0' + v % 10);
		v /= 10;
	}
}

void log_time_write(int64_t ms, char ret[static LOG_TIME_MAX])
{
	const int64_t s = ms / 1000;
	unsigned year, month, day, in_day;

	ret[0] = '\0';
	if (ms < 0 || s >= INT64_C(253402300800)) /* the year 10000 */
		return;
	date_of(s / DAY, &year, &month, &day);
	in_day = (unsigned)(s % DAY);
	memcpy(ret, "0000-00-00T00:00:00.000Z", 25);
	put(ret, year, 4);
	put(ret + 5, month, 2);
	put(ret + 8, day, 2);
	put(ret + 11, in_day / 3600, 2);
	put(ret + 14, in_day / 60 % 60, 2);
	put(ret + 17, in_day % 60, 2);
	put(ret + 20, (unsigned)(ms % 1000), 3);
}

/* ---- reading ---- */

static bool shaped(const char *s, const char *shape)
{
	for (; *shape; s++, shape++)
		if (*shape == '0' ? !isdigit((unsigned char)*s) : *s != *shape)
			return false;
	return true;
}

static unsigned two(const char *s)
{
	return (unsigned)(s[0] - '0') * 10 + (unsigned)(s[1] - '0');
}

/* Seconds of "00:00:00"; -1: there is no such time. 60 is a leap second. */
static int64_t clock_of(const char *s)
{
	if (two(s) > 23 || two(s + 3) > 59 || two(s + 6) > 60)
		return -1;
	return two(s) * 3600 + two(s + 3) * 60 + two(s + 6);
}

static unsigned days_in(int64_t year, unsigned month)
{
	return (unsigned)(days_of(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) - days_of(year, month, 1));
}

static int64_t with_zone(const char *s, int64_t seconds)
{
	int64_t off;

	if (*s == '.')
		for (s++; isdigit((unsigned char)*s); s++)
			;
	if (!*s || (*s == 'Z' && !s[1])) /* without a zone, as CoreDNS wrote once: taken as UTC */
		return seconds;
	if (*s != '+' && *s != '-')
		return -1;
	if (shaped(s + 1, "00:00") && !s[6])
		off = two(s + 1) * 3600 + two(s + 4) * 60;
	else if (shaped(s + 1, "0000") && !s[5])
		off = two(s + 1) * 3600 + two(s + 3) * 60;
	else
		return -1;
	return MAX(*s == '+' ? seconds - off : seconds + off, (int64_t)-1);
}

static int64_t rfc3339(const char *s)
{
	const int64_t year = two(s) * 100 + two(s + 2), in_day = clock_of(s + 11);
	const unsigned month = two(s + 5), day = two(s + 8);

	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in(year, month) || in_day < 0)
		return -1;
	return with_zone(s + 19, days_of(year, month, day) * DAY + in_day);
}

/* Without a year: in the one that puts it nearest. */
static int64_t nearest(unsigned month, unsigned day, int64_t in_day, int64_t near)
{
	unsigned year, m, d;
	int64_t best = -1;

	if (near <= 0 || near >= INT64_C(253402300800) || month < 1 || month > 12 || day < 1 || in_day < 0)
		return -1;
	date_of(near / DAY, &year, &m, &d);
	for (int64_t y = (int64_t)year - 1; y <= (int64_t)year + 1; y++) {
		const int64_t t = day <= days_in(y, month) ? days_of(y, month, day) * DAY + in_day : -1;

		if (t >= 0 && (best < 0 || llabs(t - near) < llabs(best - near)))
			best = t;
	}
	return best;
}

static unsigned month_of(const char *s)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (unsigned i = 0; i < 12; i++)
		if (strncmp(s, names + 3 * (size_t)i, 3) == 0)
			return i + 1;
	return 0;
}

int64_t log_time(const char *time, int64_t near)
{
	if (!time)
		return -1;
	if (shaped(time, "0000-00-00T00:00:00"))
		return rfc3339(time);
	if (shaped(time, "00-00 00:00:00")) /* klog */
		return nearest(two(time), two(time + 3), clock_of(time + 6), near);
	/* journald, syslog: "May 01 10:00:00", "May  1 10:00:00" */
	if (strlen(time) >= 15 && time[3] == ' ' && shaped(time + 6, " 00:00:00") && isdigit((unsigned char)time[5]) &&
	    (time[4] == ' ' || isdigit((unsigned char)time[4])))
		return nearest(month_of(time), (time[4] == ' ' ? 0 : (unsigned)(time[4] - '0') * 10) + (unsigned)(time[5] - '0'), clock_of(time + 7), near);
	return -1;
}
