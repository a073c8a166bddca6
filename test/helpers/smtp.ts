import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'
import { type ParsedMail, parseMail } from './letters.ts'

/** A mail server on the loopback. */
export interface Smtp {
  readonly url: string
  /** What it has taken, oldest first. */
  readonly letters: readonly ParsedMail[]
  /** How many mails it has been offered. */
  readonly offered: number
  /** Says which recipients it turns away from now on. */
  refuse(isRefused: (address: string) => boolean): void
  close(): Promise<void>
}

export async function openSmtp(): Promise<Smtp> {
  const letters: ParsedMail[] = []
  let offered = 0
  let isRefused = (_address: string) => false
  const smtp = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onRcptTo({ address }, _session, callback) {
      offered += 1
      callback(isRefused(address) ? new Error(`no mail for ${address} today`) : undefined)
    },
    onData(stream, _session, callback) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        letters.push(parseMail(Buffer.concat(chunks).toString('utf8')))
        callback()
      })
    },
  })
  smtp.on('error', () => {})
  await new Promise<void>((resolve) => smtp.listen(0, '127.0.0.1', resolve))
  return {
    url: `smtp://127.0.0.1:${(smtp.server.address() as AddressInfo).port}`,
    letters,
    get offered() {
      return offered
    },
    refuse(refused) {
      isRefused = refused
    },
    close: () => new Promise((resolve) => smtp.close(resolve)),
  }
}
