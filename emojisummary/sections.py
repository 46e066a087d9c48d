"""Which settings there are, what they mean and what they take: a class for each section of config.yaml, and what all share.

The descriptions are what `--help` prints; settings.py reads the values.
"""

import warnings
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt
from pydantic_settings import CliPositionalArg

from emojisummary.tasks import TASKS

warnings.filterwarnings("ignore", 'Field name "json"')  # the flag's name, and that of a method which pydantic has given up

Share = Field(ge=0, le=1)


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, protected_namespaces=())
    arrived: ClassVar[str | None] = None  # folder in the run for servers' answers that the stage doesn't have as rows yet


class Ollama(Section):
    """Where and how `ollama/<model>` runs."""

    hosts: list[str]
    """addresses that share the work; none: OLLAMA_HOST, or this machine"""
    num_ctx: PositiveInt
    """context in tokens"""
    keep_alive: str
    """how long a model stays loaded behind its last answer"""


class OpenAI(Section):
    """Where `openai/<model>` runs."""

    hosts: list[str]
    """base URLs that share the work, of any server that speaks OpenAI's protocol; none: OPENAI_BASE_URL, or OpenAI itself"""
    key: str
    """name of the environment variable that holds the key"""


class Ask(Section):
    """How servers are asked."""

    concurrency: PositiveInt
    """requests at once on one host, to begin with; it's adjusted to what the host can take"""
    max_concurrency: PositiveInt
    """and at most"""
    timeout: PositiveFloat
    """seconds until an answer is given up as stuck"""
    attempts: PositiveInt
    """tries until a request that fails, while others are answered, is given up"""
    give_up_after: PositiveFloat
    """seconds of nothing but failures until a host is dropped"""


class Shared(Section):
    """What every stage knows."""

    run: str
    """name of the run: all it makes lies in <runs_folder>/<run>/"""
    runs_folder: str
    """folder of all runs"""
    task: Literal[*TASKS]
    """what is being learned"""
    seed: int = Field(ge=0)
    """where all chance starts from"""
    language: list[str]
    """only these languages (repeatable)"""
    type: list[str]
    """only these text types (repeatable)"""
    teacher: list[str]
    """only these teachers (repeatable)"""
    grader: list[str]
    """only these graders (repeatable)"""
    limit: PositiveInt | None
    """at most so many rows per file"""
    encoder: str
    """sentence encoder of every retriever: all-MiniLM-L6-v2 (comes with the requirements), a folder, or a hub name"""
    debug: bool
    """show the traceback of an error"""
    validation_set: str
    """texts with every accepted emoji, YAML or CSV: they stay out of the training data, test graders and judge students"""
    ollama: Ollama
    openai: OpenAI
    ask: Ask

    @property
    def folder(self) -> Path:
        return Path(self.runs_folder) / self.run

    def own(self) -> dict:
        """What decides a stage's result: its own section, the task, the encoder and the seed."""
        elsewhere = Shared.model_fields.keys() - {"task", "encoder", "seed", "limit"}
        return self.model_dump(mode="json", exclude=elsewhere | getattr(self, "AFTERWARDS", set()))


class Amount(Section):
    """How many texts one emoji gets: `max` for rank 1, `min` for the last rank, steeper with a larger exponent."""

    min: int = Field(ge=0)
    max: int = Field(ge=0)
    exponent: PositiveFloat


class Emoji(Section):
    tables: list[str]
    """TSV files that together hold all emoji"""
    ranking: str
    """TSV file with rank and emoji"""
    only: list[str]
    """a closed set of labels: these emoji alone are candidates; none: all"""


class Generate(Section):
    arrived = "generated"
    teachers: dict[str, list[str]]
    """who writes, and in which languages"""
    texts: dict[str, Amount]
    """texts per emoji by text type"""
    source: str | None
    """the task's own material: pairs, stories or conversations; not for `summary`"""
    phrasebook: str
    """folder with the texts of the offline teacher"""
    keywords: str
    """folder with the emoji keywords of the languages other than English"""
    supports: dict[str, list[str]]
    """languages that models know, by model name without provider and size"""
    temperature: NonNegativeFloat
    """models on a server: how freely they write"""
    num_predict: PositiveInt
    """models on a server: longest answer in tokens"""
    force_languages: bool = False
    """ask models for languages that they don't know, too"""
    retry_unusable: bool = False
    """ask again for the texts whose answer could not be used"""
    fill: bool = False
    """ask for more texts of the emoji that coverage.csv finds short of accepted rows"""
    plan: bool = False
    """ask for a few rows only, keep them, and print what the rest will take"""


class Validate(Section):
    arrived = "graded"
    graders: list[str]
    """who judges; none judges texts of its own, unless grade_own"""
    grade_own: bool
    """let a grader judge its own texts"""
    least_similarity: float = Share
    """the grader `meaning` says yes when a rewritten text's cosine with its original is at least so high"""
    rank_at_most: PositiveInt
    """the retriever says yes when it ranks the text's emoji at least so high, by its words or when it has read it"""
    canaries: float = Share
    """pairs known to be wrong, and as many known to be right, as a share of each file: they show how far to trust a grader"""
    temperature: NonNegativeFloat
    """models on a server: how freely they judge"""
    num_predict: PositiveInt
    """models on a server: longest answer in tokens"""
    plan: bool = False
    """ask for a few rows only, keep them, and print what the rest will take"""


class Combine(Section):
    quorum: PositiveInt
    """yes votes that a row needs"""
    weighting: Literal["votes", "dawid-skene"]
    """count yes votes, or weigh them by how reliable each grader turns out to be"""
    least_probability: float = Share
    """dawid-skene: probability of a true yes that a row needs"""
    worst_false_accept: float | None = Field(ge=0, le=1)
    """leave out graders who say yes to more than this share of the pairs known to be wrong; null: keep all"""
    languages: list[str]
    """languages of the validation texts that the student is judged by; none: all"""
    near_duplicate: float = Share
    """keep out of training what is at least so similar to a validation text (Jaccard of character 5-grams)"""
    rows: list[str]
    """CSV files of one's own with `text` and `answer`: rows beside the graded ones, or in their place"""


class Tiny(Section):
    """Size of the model that `base: tiny` builds from scratch."""

    architecture: Literal["llama", "gpt2"]
    vocab_size: PositiveInt
    hidden_size: PositiveInt
    num_hidden_layers: PositiveInt
    num_attention_heads: PositiveInt


class Parity(Section):
    """How closely an exported model must answer as the trained one did."""

    prompts: int = Field(ge=0)
    """validation texts that both answer; 0: not compared"""
    agreement: float = Share
    """least share of the same answers"""
    probability: float = Share
    """largest mean difference between their probabilities of the first token"""


class Train(Section):
    AFTERWARDS: ClassVar = {"export", "llama_cpp", "gguf_type", "parity", "report_to", "push_to_hub"}  # nothing is trained anew

    student: Literal["retriever", "llm"]
    """the kind of model: a tuned sentence encoder, or a fine-tuned causal language model"""
    base: str
    """llm: base model, from the hub, a folder, or `tiny`, built from scratch"""
    tiny: Tiny
    """llm: the size of `base: tiny`"""
    backend: Literal["auto", "unsloth", "hf"]
    """llm: who trains: unsloth, or transformers, peft and trl by themselves (hf)"""
    load_in_4bit: bool
    """llm: the base's weights in 4 bits (QLoRA); needs r"""
    r: PositiveInt | None
    """llm: rank of the LoRA adapter; null: all weights are trained"""
    lora_alpha: PositiveInt
    """llm: the adapter's share is multiplied by lora_alpha / r"""
    lora_dropout: float = Share
    """llm: dropout before the adapter while it's trained"""
    target_modules: str
    """llm: the layers that are adapted: all-linear, or a regular expression"""
    num_train_epochs: PositiveFloat
    """passes over the rows"""
    per_device_train_batch_size: PositiveInt
    """rows in one forward pass; llm: where they don't fit into memory fewer, with more passes before an update"""
    gradient_accumulation_steps: PositiveInt
    """forward passes before one update"""
    learning_rate: PositiveFloat
    """peak learning rate"""
    cards_epochs: int = Field(ge=0)
    """retriever: passes over the rows before these, in which the emoji cards' vectors learn alone"""
    cards_learning_rate: PositiveFloat
    """retriever: learning rate of the emoji cards' vectors"""
    weight_decay: NonNegativeFloat
    """AdamW's weight decay"""
    warmup_ratio: float = Share
    """share of the steps in which the learning rate rises"""
    optim: str
    """optimizer, by the name that transformers gives it: adamw_torch_fused, adamw_8bit, paged_adamw_8bit"""
    lr_scheduler_type: str
    """the learning rate's way down, by the name that transformers gives it"""
    max_length: PositiveInt
    """longest text in tokens, llm: prompt with the system prompt; what is longer is cut"""
    scale: PositiveFloat
    """retriever: factor on cosines before the softmax (1 / temperature)"""
    frozen_layers: int = Field(ge=0)
    """retriever: lowest layers of the encoder that stay as they are, with its token embeddings"""
    dropout: float = Share
    """retriever: dropout in the layers that are trained, meanwhile"""
    prior: NonNegativeFloat
    """retriever: an emoji's bias starts at -prior * ln(rank)"""
    also_weight: float = Share
    """retriever: share of the target that goes to a text's other accepted emoji"""
    ngram_weights: list[NonNegativeFloat] = Field(min_length=1)
    """retriever: weights of the n-gram model beside the encoder; the best one on the validation texts is taken, 0 is without"""
    set_likelihood: bool
    """llm: a text's accepted answers are learned by the sum of their probabilities, each one more row; else the first alone"""
    evaluations: PositiveInt
    """how often accuracy is measured and a checkpoint kept on the way"""
    eval_rows: PositiveInt
    """validation texts in each of these measurements, at most"""
    early_stopping_patience: PositiveInt | None
    """measurements without a better one until training stops; null: it goes on to the end"""
    general_share: float = Field(ge=0, lt=1)
    """llm: share of the lessons that are general questions with plain answers"""
    general_rows: str
    """llm: TSV file of them, prompt and answer"""
    save_total_limit: PositiveInt
    """checkpoints kept on disk"""
    report_to: Literal["none", "tensorboard", "wandb"]
    """who else is told about loss and accuracy"""
    export: list[Literal["merged", "gguf", "ollama"]]
    """llm: what else is made of the trained model, now or later"""
    llama_cpp: str | None
    """llm: folder of llama.cpp, whose convert_hf_to_gguf.py and llama-quantize are then used"""
    gguf_type: Literal["f16", "q8_0", "q4_k_m"]
    """llm: how the weights are stored in the GGUF file"""
    parity: Parity
    push_to_hub: str | None
    """where the student goes on the hub, now or later: <user>/<name>, private if it's new; null: nowhere"""


class Study(Section):
    epochs: list[PositiveInt]
    """numbers of passes over the rows to compare"""
    general_prompts: str
    """TSV file of prompts that have nothing to do with emoji"""
    emoji_prompts: str
    """TSV file of texts to answer with emoji"""


class Plot(Section):
    runs: list[str]
    """run folders to draw together; none: this run alone"""
    smoothing: PositiveInt
    """window of the moving average, in logged points"""


class Evaluate(Section):
    models: list[str]
    """who is compared with the run's student: `retriever`, `most-frequent`, `linear`, `untuned`, `ollama/<model>`,
    `openai/<model>`, an untuned language model `base:<name>` or `base-short:<name>`, or folders of other runs"""
    suite: Literal["accuracy", "robustness", "assignment"] = "accuracy"
    """what is measured: right answers to validation texts, or whether answers stand what shouldn't change them"""
    data: str | None = None
    """CSV file of one's own with `text` and `answers`, separated by spaces, in place of validation_data.csv"""
    robustness: str
    """TSV file with the pairs of texts of the robustness suite"""
    assignment: str
    """folder with the prompts of the assignment suite: known.tsv, novel.tsv, edge.tsv"""
    prompts: str | None
    """file of test prompts, one a line, that every model answers, for people to read; null: none"""
    judge: str | None
    """model that compares answers in both orders: `ollama/<model>` or `openai/<model>`; null: nobody"""
    resamples: PositiveInt
    """bootstrap resamples behind each interval"""
    examples: int = Field(ge=0)
    """answered texts printed at the end"""
    temperature: NonNegativeFloat
    """models on a server: how freely they answer"""
    num_predict: PositiveInt
    """models that are asked: longest answer in tokens"""
    prices: dict[str, tuple[NonNegativeFloat, NonNegativeFloat]]
    """by model: what a million tokens of prompt and of answer cost, in any currency"""
    training_cost: NonNegativeFloat | None
    """what the training cost in the same currency, to tell from how many texts on it pays; null: not known"""


class Inference(Section):
    text: CliPositionalArg[list[str]] = []
    """texts to answer; none, and no --input: a prompt"""
    model: str | None = None
    """folder of a run, `retriever` or `most-frequent`; this run if not given"""
    input: str | None = None
    """file of texts: .txt, .jsonl or .csv (field `text`), or - for standard input, one text a line"""
    output: str | None = None
    """JSONL file to write; standard output if not given"""
    top: PositiveInt
    """how many ranked emoji"""
    json: bool
    """one JSON object for each text, also at the prompt"""
    only: str | None
    """file of emoji, one a line: no others are given"""
    exclude_category: list[str]
    """categories, such as flags, whose emoji aren't given (repeatable)"""
    skin_tone: Literal["light", "medium-light", "medium", "medium-dark", "dark"] | None
    """the skin tone of the answers, where an emoji comes in several"""
    min_probability: float = Share
    """no fitting emoji where the best one's probability is below"""


class Serve(Section):
    model: str | None = None
    """folder of a run, `retriever` or `most-frequent`; this run if not given"""
    port: int = Field(ge=1, le=65535)
    """where the page to try a model is found on this machine: http://127.0.0.1:<port>"""


SECTIONS = {
    "emoji": Emoji, "generate": Generate, "validate": Validate, "combine": Combine, "train": Train, "study": Study,
    "plot": Plot, "evaluate": Evaluate, "inference": Inference, "serve": Serve,
}  # fmt: skip
