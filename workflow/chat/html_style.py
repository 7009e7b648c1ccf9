"""How the pages look: one column, quiet, in the light or dark that the reader's system asks for."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2126; --faint: #6d7580; --line: #e4e7eb;
  --paper: #fdfdfc; --raised: #f3f4f5; --link: #2f5fb3; --strength: 42%; }
@media (prefers-color-scheme: dark) { :root { --ink: #dfe3e8; --faint: #8f98a3; --line: #2b3038;
  --paper: #16191d; --raised: #20242a; --link: #8ab4f8; --strength: 72%; } }
* { box-sizing: border-box; }
body { max-width: 46rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
a { color: var(--link); text-decoration: none; }
a:hover, a:focus-visible { text-decoration: underline; }
nav { display: flex; gap: 1.25rem; padding: .75rem 0; font-size: .9rem; }
header { padding-bottom: 1rem; border-bottom: 1px solid var(--line); }
header p, section p { margin: .25rem 0 0; color: var(--faint); font-size: .9rem; }
h1 { margin: .5rem 0 0; font-size: 1.5rem; line-height: 1.25; font-weight: 650; }
h2 { margin: 2.25rem 0 .5rem; color: var(--faint); font-size: .8rem; font-weight: 600;
  letter-spacing: .04em; }
section { padding: .6rem 0; border-bottom: 1px solid var(--line); }
section a { font-weight: 550; }
small, time, i { color: var(--faint); font-size: .8rem; }
time { font-variant-numeric: tabular-nums; }
article { position: relative; padding-top: .9rem; }
article.on { padding-top: .15rem; }
article.on > time { position: absolute; inset-inline-end: 100%; padding: .2rem .75rem 0 0;
  opacity: 0; }
article.on:hover > time { opacity: 1; }
article p { margin: .05rem 0; white-space: pre-wrap; }
b { font-weight: 620; }
blockquote { margin: 0 0 .2rem; padding-inline-start: .6rem; color: var(--faint); font-size: .85rem;
  border-inline-start: 2px solid var(--line); overflow: hidden; white-space: nowrap;
  text-overflow: ellipsis; }
.file { width: fit-content; max-width: 100%; margin: .3rem 0; padding: .35rem .7rem;
  background: var(--raised); border-radius: .4rem; font-size: .9rem; }
.a0 { color: hsl(210 55% var(--strength)); } .a1 { color: hsl(250 50% var(--strength)); }
.a2 { color: hsl(290 45% var(--strength)); } .a3 { color: hsl(335 55% var(--strength)); }
.a4 { color: hsl(10 60% var(--strength)); } .a5 { color: hsl(30 65% var(--strength)); }
.a6 { color: hsl(150 45% var(--strength)); } .a7 { color: hsl(180 50% var(--strength)); }
@media (max-width: 60rem) { article.on > time { position: static; opacity: 1; padding: 0; } }
@media print { nav { display: none; } article { break-inside: avoid; } }
"""
