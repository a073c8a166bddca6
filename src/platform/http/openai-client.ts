import OpenAI from 'openai'

/** A client of an API of OpenAI's kind. Of an answer it reads no more than so many bytes, beyond them reading fails with what `tooMuch` makes. */
export function openaiClient(
  { apiKey, baseUrl }: { readonly apiKey: string; readonly baseUrl: string },
  { mostBytes, tooMuch }: { readonly mostBytes: number; readonly tooMuch: () => Error },
): OpenAI {
  return new OpenAI({
    apiKey,
    baseURL: baseUrl,
    organization: null,
    project: null,
    // Its own retries wait for as long as the provider asks, deaf to the signal.
    maxRetries: 0,
    // It would log what it sends and what the provider answers, and both can quote a child.
    logLevel: 'off',
    fetch: fetchAtMost(mostBytes, tooMuch),
  })
}

function fetchAtMost(mostBytes: number, tooMuch: () => Error): typeof fetch {
  return async (url, init) => {
    const response = await fetch(url, init)
    if (!response.body) return response
    let bytes = 0
    const limit = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.byteLength
        if (bytes > mostBytes) controller.error(tooMuch())
        else controller.enqueue(chunk)
      },
    })
    return new Response(response.body.pipeThrough(limit), response)
  }
}
