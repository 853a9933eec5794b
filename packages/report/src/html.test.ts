import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { escape, html, type Part, trusted } from './html.ts';

const hostile = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '</title></style></svg><iframe src="//evil">',
  '`${process.env.HOME}` &lt;b&gt; &amp;amp;',
  ']]><!-- --><![CDATA[',
];

describe('html', () => {
  it.each(hostile)('text comes back as the text it was: %j', (text) => {
    const { document } = parseHTML(
      html`<!doctype html><body><p title="${text}" lang='${text}'>${text}</p></body>`.markup,
    );
    const paragraph = document.querySelector('p');
    expect(paragraph?.textContent).toBe(text);
    expect(paragraph?.getAttribute('title')).toBe(text);
    expect(document.querySelectorAll('body *')).toHaveLength(1);
    expect(paragraph?.attributes).toHaveLength(2);
  });

  it('nests markup, lists and nothing', () => {
    const items: Part[] = ['<', 2, null, false, undefined, html`<b>${'&'}</b>`];
    expect(html`[${items}]${trusted('<hr>')}`.markup).toBe('[&lt;2<b>&amp;</b>]<hr>');
  });

  it('replaces control characters and lone surrogates, which no HTML file can hold', () => {
    expect(escape('a\u0000b\u001bc\ud800d\te\nf')).toBe('a\ufffdb\ufffdc\ufffdd\te\nf');
  });
});
