/** A mail as its reader sees it. */
export interface ParsedMail {
  readonly to: string
  readonly subject: string
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  readonly html: string
}

function headersOf(head: string): Record<string, string> {
  const lines = head.replace(/\n[ \t]+/g, ' ').split('\n')
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
}

function decoded(body: string, encoding = ''): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString('utf8')
  if (encoding !== 'quoted-printable') return body
  const bytes = body.replace(/=\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

function split(message: string): { headers: Record<string, string>; body: string } {
  const end = message.indexOf('\n\n')
  return { headers: headersOf(message.slice(0, end)), body: message.slice(end + 2) }
}

/** Reads a message with a plain part and, maybe, an HTML one. */
export function parseMail(source: string): ParsedMail {
  const { headers, body } = split(source.replaceAll('\r\n', '\n'))
  const boundary = /boundary="([^"]+)"/.exec(headers['content-type'] ?? '')?.[1]
  const parts =
    boundary === undefined
      ? [{ headers, body }]
      : body
          .split(`--${boundary}`)
          .slice(1, -1)
          .map((part) => split(part.replace(/^\n/, '')))
  const part = (type: string) => {
    const found = parts.find((candidate) => (candidate.headers['content-type'] ?? '').startsWith(type))
    return found ? decoded(found.body, found.headers['content-transfer-encoding']) : ''
  }
  return { to: headers.to ?? '', subject: headers.subject ?? '', headers, text: part('text/plain'), html: part('text/html') }
}
