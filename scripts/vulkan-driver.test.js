import { expect, test } from 'vitest';
import { backportsSource, driverCommand, formatSource, parseDeb822, parseOneLine, parseOsRelease } from './vulkan-driver.js';

const DEB822 = `# See the manual page
Types: deb deb-src
# a comment between fields
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://vendor.example/apt
Suites: bookworm
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc=
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm
Components: main
`;

test('reads deb822 sources: comments, continued fields, disabled and source-only stanzas', () => {
  const sources = parseDeb822(DEB822);
  expect(sources.map(({ uris }) => uris[0])).toEqual(['http://mirror.example/debian', 'https://vendor.example/apt']);
  expect(sources[0]).toEqual({
    uris: ['http://mirror.example/debian'],
    suites: ['bookworm', 'bookworm-updates'],
    components: ['main', 'contrib'],
    options: [['signed-by', '/usr/share/keyrings/debian-archive-keyring.gpg']],
  });
  expect(Object.fromEntries(sources[1].options)['signed-by']).toContain('\n abc=\n');
});

test('reads one-line sources', () => {
  const sources = parseOneLine(`# deb http://commented.example/debian bookworm main
deb-src http://source.example/debian bookworm main
deb [arch=amd64,arm64 signed-by=/k.gpg] http://mirror.example/debian/ bookworm main contrib # note
`);
  expect(sources).toEqual([
    {
      uris: ['http://mirror.example/debian/'],
      suites: ['bookworm'],
      components: ['main', 'contrib'],
      options: [
        ['architectures', 'amd64 arm64'],
        ['signed-by', '/k.gpg'],
      ],
    },
  ]);
});

test('takes the backports from the system’s own Debian mirror', () => {
  const sources = parseDeb822(DEB822).reverse();
  const source = backportsSource(sources, 'bookworm');
  expect(source?.uris).toEqual(['http://mirror.example/debian']);
  expect(backportsSource(sources, 'trixie')).toBeNull();
  const text = formatSource({ ...source, suites: ['bookworm-backports'], components: ['main'] });
  expect(parseDeb822(text)).toEqual([{ ...source, suites: ['bookworm-backports'], components: ['main'] }]);
});

test('names the command for the systems it knows', () => {
  const debian12 = parseOsRelease('PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n');
  expect(driverCommand(debian12)).toMatch(/install -y -t bookworm-backports mesa-vulkan-drivers$/);
  const ubuntu = parseOsRelease("ID=ubuntu\nID_LIKE='debian'\nVERSION_ID=\"24.04\"\n");
  expect(driverCommand(ubuntu)).toBe('sudo apt-get update && sudo apt-get install -y mesa-vulkan-drivers');
  expect(driverCommand({ ID: 'alpine' })).toBeNull();
});
