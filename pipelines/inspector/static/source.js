// The data of the page. TensorBoard's server answers requests; the report has its answers in itself.

export class Source {
  // `answer` is (route, query) → a promise of the answer's JSON.
  constructor(answer = fetchAnswer) {
    this.answer = answer;
  }

  runs() {
    return this.answer("runs", {});
  }

  damaged() {
    return this.answer("damaged", {});
  }

  colours() {
    return this.answer("colours", {});
  }

  summaries(runs) {
    return this.answer("summaries", { run: runs });
  }

  course({ run, kind, name }) {
    return this.answer("course", { run, kind, name });
  }

  doctor({ run }) {
    return this.answer("doctor", { run });
  }

  // The address of the picture that the doctor drew; it changes when the picture does.
  pictureOf({ run, doctor }) {
    return `./doctor_image?${new URLSearchParams({ run, written: doctor.written })}`;
  }

  media({ run, tag, type }) {
    return this.answer("media", { run, tag, type });
  }

  // The values of a table are sent as one string of float32 numbers, [steps × columns].
  async table({ run, kind, name }, query) {
    const table = await this.answer("table", { run, kind, name, ...query });
    const bytes = Uint8Array.from(atob(table.values), (letter) => letter.charCodeAt(0));
    return { ...table, values: new Float32Array(bytes.buffer) };
  }
}

// A value of a query that is a list is sent once for each of its items.
async function fetchAnswer(route, query) {
  const pairs = Object.entries(query).flatMap(([name, value]) => [value].flat().map((item) => [name, item]));
  const response = await fetch(`./${route}?${new URLSearchParams(pairs)}`);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}
