import { z } from 'zod'
import { PAGE_HEADERS } from '../../platform/http/security-headers.ts'
import type { TypedApp } from '../../platform/http/typed-app.ts'
import type { NoticesService } from './notices.service.ts'

const tags = ['Parents']
const UnsubscribeQuery = z.strictObject({ token: z.string().min(1).max(400) })

const CONFIRM_PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>BrainSpark mails</title></head><body>
<form method="post"><p>Shall we stop sending you these mails?</p><button>Yes, please stop</button></form></body></html>
`

/** The links in our mails. Opening one changes nothing, since mail scanners do that too; the POST of RFC 8058 does. */
export async function registerNoticeRoutes(app: TypedApp, notices: NoticesService): Promise<void> {
  await app.register(async (scope: TypedApp) => {
    scope.addContentTypeParser(['application/x-www-form-urlencoded', 'multipart/form-data'], { parseAs: 'string' }, (_request, _body, done) =>
      done(null, undefined),
    )

    scope.get(
      '/notifications/unsubscribe',
      {
        config: { actor: 'public', limit: 'general' },
        schema: { tags, summary: 'The page behind the link in a mail', querystring: UnsubscribeQuery, produces: ['text/html'], response: { 200: z.string() } },
      },
      async (_request, reply) =>
        reply
          .headers(PAGE_HEADERS)
          .type('text/html; charset=utf-8')
          .serializer((page: unknown) => page as string)
          .send(CONFIRM_PAGE),
    )

    scope.post(
      '/notifications/unsubscribe',
      {
        config: { actor: 'public', limit: 'general', ownIdempotency: true },
        schema: {
          tags,
          summary: 'Unsubscribe with one click',
          description: 'RFC 8058: what a mail program sends for List-Unsubscribe-Post. Again changes nothing.',
          querystring: UnsubscribeQuery,
          produces: ['text/plain'],
          response: { 200: z.string() },
        },
      },
      async (request, reply) => {
        const kind = await notices.unsubscribe(request.query.token)
        const what = kind === 'email_digest' ? 'weekly mails' : 'streak reminders'
        return reply
          .type('text/plain; charset=utf-8')
          .serializer((text: unknown) => text as string)
          .send(`You will get no more ${what}. You can turn them on again in your settings.\n`)
      },
    )
  })
}
