import { mkdir, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import nodemailer from 'nodemailer'
import { newId } from '../ids.ts'

export interface Mail {
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly html?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface Mailer {
  /** Delivers to the mail server, or writes the message to the outbox. Throws when neither works. */
  send(mail: Mail): Promise<void>
  close(): void
}

const SMTP_TIMEOUT_MS = 10_000

/** SMTP when a URL is configured, else whole messages as .eml files under `outboxDir`. */
export function openMailer(options: { smtpUrl: string | undefined; from: string; outboxDir: string }): Mailer {
  if (options.smtpUrl) {
    const transport = nodemailer.createTransport({
      url: options.smtpUrl,
      pool: true,
      connectionTimeout: SMTP_TIMEOUT_MS,
      socketTimeout: SMTP_TIMEOUT_MS,
    } as Parameters<typeof nodemailer.createTransport>[0])
    return {
      send: async (mail) => {
        await transport.sendMail({ from: options.from, ...mail, headers: { ...mail.headers } })
      },
      close: () => transport.close(),
    }
  }
  const transport = nodemailer.createTransport({ streamTransport: true, buffer: true, newline: 'unix' })
  return {
    async send(mail) {
      const { message } = await transport.sendMail({ from: options.from, ...mail, headers: { ...mail.headers } })
      await mkdir(options.outboxDir, { recursive: true })
      const name = `${newId()}.eml`
      const draft = path.join(options.outboxDir, `.${name}`)
      await writeFile(draft, message as unknown as Uint8Array, { mode: 0o600 })
      await rename(draft, path.join(options.outboxDir, name))
    },
    close: () => transport.close(),
  }
}
