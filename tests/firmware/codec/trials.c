/* Changes of one strip that a user interface makes, and whether the strip's hash sees them; run by trials.py, which puts
 * the hashes themselves into hashes.h. 32-bit arithmetic, as on a microcontroller.
 *
 * A strip is an array of pixel values here, packed into bytes for the hash. Every kind of change draws `before` and
 * `after` from a seeded generator; equal pairs do not count. Prints lines "shape, kind, trials, misses". */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hashes.h"

enum { MOST = 64 };
typedef uint16_t px;

static uint64_t state = 0x9E3779B97F4A7C15u;
static uint32_t dice(uint32_t n) /* 0 to n - 1; xorshift64* */
{
    state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
    return (uint32_t)((state * 0x2545F4914F6CDD1Du) >> 32) % n;
}

static const px UI[] = { 0x0000, 0xFFFF, 0xF800, 0x07E0, 0x001F, 0xFFE0, 0x07FF, 0xF81F, 0x8410, 0xC618,
                         0x4208, 0xFD20, 0x0010, 0x0400, 0x8000, 0x8400, 0x8010, 0x0410, 0x24BE, 0xFC18 };

static const struct shape *now;
static int n, top;               /* pixels; the highest bit of one */
static px ones;                  /* all bits of a pixel */
static px before[MOST], after[MOST];
static uint64_t pattern;         /* text: a bit for each pixel of a longer row */

static px colour(void)
{
    px c = UI[dice(20)];
    if (now->bits == 16)
        return c;
    return dice(2) ? (px)(c >> (16 - now->bits)) : (px)dice(ones + 1u);
}
/* of 16 parts, t of b; in RGB565 each channel apart */
static px blend(px a, px b, int t)
{
    if (now->bits != 16)
        return (px)((a * (16 - t) + b * t) / 16);
    int r = ((a >> 11) * (16 - t) + (b >> 11) * t) / 16, g = ((a >> 5 & 63) * (16 - t) + (b >> 5 & 63) * t) / 16;
    return (px)(r << 11 | g << 5 | ((a & 31) * (16 - t) + (b & 31) * t) / 16);
}
static void flat(px *row, px c) { for (int i = 0; i < n; i++) row[i] = c; }
static void line(px *row, int x, int width, px c) { for (int i = x; i < x + width; i++) row[i % n] = c; }
static void text(px *row, int x, px ink, px paper, int soft)
{
    for (int i = 0; i < n; i++) {
        int here = pattern >> ((i + x) & 63) & 1, next = pattern >> ((i + x + 1) & 63) & 1;
        row[i] = here ? ink : soft && next ? blend(paper, ink, soft) : paper;
    }
}
static void thin(px *row, int x, px a) /* an anti-aliased line: half, whole, half */
{
    row[x % n] += a, row[(x + 1) % n] += 2 * a, row[(x + 2) % n] += a;
}
static void both(void) { memcpy(after, before, sizeof after); }

static void top_of_two(px a, px b, int x) { (void)a, (void)b; after[x] ^= 1 << top, after[dice(n)] ^= 1 << top; }
static void top_of_flat(px a, px b, int x)
{
    (void)a, (void)b;
    for (int k = 2 + dice(7); k--; x = dice(n)) after[x] ^= 1 << top;
}
static void top_moves(px a, px b, int x)
{
    (void)b;
    for (int i = 0; i < n; i++) before[i] = (a & ~(1 << top)) | dice(2) << top;
    both(), top_of_flat(a, b, x);
}
static void line_comes(px a, px b, int x) { (void)a; line(after, x, 1 + dice(3), b); }
static void line_moves(px a, px b, int x)
{
    int width = 1 + dice(3);
    (void)a, line(before, x, width, b), line(after, x + 1 + dice(9), width, b);
}
static void line_recoloured(px a, px b, int x)
{
    int width = 1 + dice(3);
    (void)a, line(before, x, width, b), line(after, x, width, colour());
}
static void text_recoloured(px a, px b, int x) { text(before, x, b, a, 0), text(after, x, colour(), a, 0); }
static void text_inverse(px a, px b, int x) { text(before, x, b, a, 0), text(after, x, a, b, 0); }
static void text_moves(px a, px b, int x) { text(before, x, b, a, 0), text(after, x + 1 + dice(4), b, a, 0); }
static void soft_moves(px a, px b, int x)
{
    int soft = 4 + dice(9);
    text(before, x, b, a, soft), text(after, x + 1, b, a, soft);
}
static void soft_recoloured(px a, px b, int x)
{
    int soft = 4 + dice(9);
    text(before, x, b, a, soft), text(after, x, colour(), a, soft);
}
static void inverted(px a, px b, int x)
{
    (void)a, (void)b;
    for (int k = 1 + dice(n); k--; x++) after[x % n] ^= ones;
}
static void words_swapped(px a, px b, int x)
{
    int w = 32 / now->bits, y = dice(n) / w * w;
    (void)a, (void)b, x = x / w * w;
    for (int i = 0; i < w; i++) before[x + i] = colour(), before[y + i] = colour();
    both();
    for (int i = 0; i < w; i++) after[x + i] = before[y + i], after[y + i] = before[x + i];
}
static void pixels_swapped(px a, px b, int x) { (void)a; int y = dice(n); before[x] = b, both(), after[x] = before[y], after[y] = b; }
static void mirrored(px a, px b, int x) { text(before, x, b, a, 0); for (int i = 0; i < n; i++) after[i] = before[n - 1 - i]; }
static void rotated(px a, px b, int x)
{
    int by = 1 + dice(n - 1);
    text(before, x, b, a, 0);
    for (int i = 0; i < n; i++) after[i] = before[(i + by) % n];
}
static void gradient(px *row, px a, px b, int at, int level, int steep)
{
    for (int i = 0; i < n; i++) row[i] = blend(a, b, ((i + at) * steep / 8 + level) % 17);
}
static void gradient_moves(px a, px b, int x) { int s = 1 + dice(8); gradient(before, a, b, x, 0, s), gradient(after, a, b, x + 1, 0, s); }
static void gradient_lighter(px a, px b, int x) { int s = 1 + dice(8); gradient(before, a, b, x, 0, s), gradient(after, a, b, x, 1, s); }
static void thin_line(px a, px b, int x)
{
    px ink = 1 << dice(top);
    (void)a, (void)b;
    if (dice(3)) thin(before, x + 1 + dice(2), ink);
    thin(after, x, ink);
}
static void powers_of_two(px a, px b, int x)
{
    (void)a, (void)b;
    for (int k = 2 + dice(3); k--; x = dice(n)) after[x] += (dice(2) ? 1 : -1) * (1 << dice(top + 1));
}
static void random_pixels(px a, px b, int x) { (void)a, (void)b; for (int k = 1 + dice(8); k--; x = dice(n)) after[x] = dice(65536); }
static void random_words(px a, px b, int x)
{
    int w = 32 / now->bits, y = dice(n) / w * w;
    (void)a, (void)b, x = x / w * w;
    for (int i = 0; i < w; i++) after[x + i] = dice(65536), after[y + i] = dice(65536);
}
static void bit_flips(px a, px b, int x) { (void)a, (void)b; for (int k = 1 + dice(4); k--; x = dice(n)) after[x] ^= 1 << dice(top + 1); }
static void sprite_moves(px a, px b, int x)
{
    (void)a, (void)b;
    for (int k = 2 + dice(n / 2), i = x % (n / 2), c; k-- && i < n - 1; i++) c = colour(), before[i] = c, after[i + 1] = c;
}
static void dither_moves(px a, px b, int x)
{
    int period = 2 << dice(3);
    b = blend(a, b, 1 + dice(15));
    for (int i = 0; i < n; i++) before[i] = (i + x) % period < period / 2 ? a : b, after[i] = (i + x + 1) % period < period / 2 ? a : b;
}

static const struct { const char *name; void (*change)(px, px, int); } KINDS[] = {
#define KIND(f) { #f, f }
    KIND(top_of_two), KIND(top_of_flat), KIND(top_moves), KIND(line_comes), KIND(line_moves), KIND(line_recoloured),
    KIND(text_recoloured), KIND(text_inverse), KIND(text_moves), KIND(soft_moves), KIND(soft_recoloured), KIND(inverted),
    KIND(words_swapped), KIND(pixels_swapped), KIND(mirrored), KIND(rotated), KIND(gradient_moves),
    KIND(gradient_lighter), KIND(thin_line), KIND(powers_of_two), KIND(random_pixels), KIND(random_words),
    KIND(bit_flips), KIND(sprite_moves), KIND(dither_moves),
};

static void pack(const px *row, int swapped, uint8_t *bytes)
{
    for (int i = 0; i < n; i++) {
        px v = row[i] & ones;
        if (now->bits == 16)
            bytes[2 * i + swapped] = (uint8_t)v, bytes[2 * i + !swapped] = v >> 8;
        else if (now->bits == 8)
            bytes[i] = (uint8_t)v;
        else
            bytes[i / 2] = (uint8_t)(i & 1 ? bytes[i / 2] | v : v << 4);
    }
}

static long misses_of(int kind, long trials, long *counted)
{
    _Alignas(4) uint8_t old[2 * MOST] = { 0 }, new[2 * MOST] = { 0 };
    long missed = 0;
    *counted = 0;
    for (long t = 0; t < trials; t++) {
        px paper = colour(), ink = colour();
        pattern = (uint64_t)dice(UINT32_MAX) << 32 | dice(UINT32_MAX);
        if (t & 2) pattern &= (uint64_t)dice(UINT32_MAX) << 32 | dice(UINT32_MAX);
        if (t & 4) pattern |= pattern << 1;
        flat(before, paper);
        if (t & 8) text(before, 0, ink, paper, 0);
        both(), KINDS[kind].change(paper, ink, (int)dice(n));
        pack(before, t & 1, old), pack(after, t & 1, new);
        if (memcmp(old, new, (size_t)n * now->bits / 8) == 0) continue;
        ++*counted;
        missed += now->hash(old) == now->hash(new);
    }
    return missed;
}

int main(int argc, char **argv)
{
    long trials = argc > 1 ? atol(argv[1]) : 20000, counted;
    for (now = SHAPES; now->name; now++) {
        n = now->pixels, top = now->bits - 1, ones = (px)((1u << now->bits) - 1);
        for (int kind = 0; kind < (int)(sizeof KINDS / sizeof *KINDS); kind++) {
            long missed = misses_of(kind, trials, &counted);
            printf("%s,%s,%ld,%ld\n", now->name, KINDS[kind].name, counted, missed);
        }
    }
    return 0;
}
