import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type ParsedMail, parseMail } from './letters.ts'
import type { TestServer } from './server.ts'

export type Letter = ParsedMail

export const VERIFY_SUBJECT = 'Please confirm your e-mail address'
export const RESET_SUBJECT = 'Choose a new BrainSpark password'

/** The letters in the outbox to one address, in no order. */
export async function lettersTo(server: TestServer, address: string): Promise<Letter[]> {
  const outbox = path.join(server.dataDir, 'outbox')
  const names = await readdir(outbox).catch(() => [])
  const letters = await Promise.all(
    names.filter((name) => name.endsWith('.eml') && !name.startsWith('.')).map(async (name) => parseMail(await readFile(path.join(outbox, name), 'utf8'))),
  )
  return letters.filter((letter) => letter.to === address)
}

/** Waits until there are `count` letters with the subject to the address, and returns them. */
export async function waitForLetters(server: TestServer, address: string, subject: string, count: number): Promise<Letter[]> {
  for (;;) {
    const letters = (await lettersTo(server, address)).filter((letter) => letter.subject === subject)
    if (letters.length >= count) return letters
    await nextTurn()
  }
}

/** The link in a letter. */
export function linkIn(letter: Letter): URL {
  const link = /https?:\/\/\S+/.exec(letter.text)?.[0]
  if (!link) throw new Error(`no link in: ${letter.text}`)
  return new URL(link)
}

/** The token of a letter: in its link, or on a line of its own. */
export const tokenIn = (letter: Letter): string => /^[\w-]{43}$/m.exec(letter.text)?.[0] ?? linkIn(letter).searchParams.get('token') ?? ''

/** The token of the verification mail sent at registration. */
export async function verificationToken(server: TestServer, address: string): Promise<string> {
  const [letter] = await waitForLetters(server, address, VERIFY_SUBJECT, 1)
  return tokenIn(letter as Letter)
}

/** Asks for a reset link and returns the token of the mail. */
export async function resetToken(server: TestServer, address: string): Promise<string> {
  const before = new Set((await lettersTo(server, address)).filter((letter) => letter.subject === RESET_SUBJECT).map(tokenIn))
  await server.api.post('/v1/auth/password/forgot', { body: { email: address } })
  const letters = await waitForLetters(server, address, RESET_SUBJECT, before.size + 1)
  return letters.map(tokenIn).find((token) => !before.has(token)) ?? ''
}
