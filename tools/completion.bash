# bash completion for bramble(1)

# _bramble_words WORD... - those that begin with what stands under the cursor
_bramble_words()
{
    mapfile -t COMPREPLY < <(compgen -W "$*" -- "$word")
}

# _bramble_folders, _bramble_files SUFFIX - folders; and files with the suffix, or if there are none any
_bramble_folders()
{
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -d -- "$word")
}

_bramble_files()
{
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -X "!*$1" -- "$word"; compgen -d -- "$word")
    ((${#COMPREPLY[@]})) || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}

# _bramble_models - models by name, and files
_bramble_models()
{
    local model
    _bramble_files .ini
    for model in models/*.ini; do # not by compgen -W, which runs what a name says in $(...)
        model=${model#models/}
        [[ ! -f models/$model || $model != "$word"* ]] || COMPREPLY+=("${model%.ini}")
    done
}

# _bramble_data - files and folders, and the names of kinds that begin with what was typed
_bramble_data()
{
    _bramble_files .npz
    [[ -z $word ]] || mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(
        compgen -W 'cifar10: cifar100: cifar100-coarse: idx: fashion-mnist npz: mat: hdf5: folder: synthetic:' -- "$word"
    )
}

# _bramble_exchanged - files of other programs' models
_bramble_exchanged()
{
    local suffix
    compopt -o filenames
    mapfile -t COMPREPLY < <(
        for suffix in safetensors npz h5 onnx; do compgen -f -X "!*.$suffix" -- "$word"; done
        compgen -d -- "$word"
    )
    ((${#COMPREPLY[@]})) || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}

# _bramble_value OPTION - what may follow the option; status 1 when it takes no value
_bramble_value()
{
    [[ ${COMP_WORDS[1]} == report && $1 == --rounds ]] && return 1 # takes none there
    [[ ${COMP_WORDS[1]} == report && $1 == --clients ]] && return 1
    case $1 in
    --data)
        _bramble_data ;;
    --model)
        _bramble_models
        [[ ${COMP_WORDS[1]} != import ]] || mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -X '!*.h5' -- "$word") ;;
    --config) _bramble_files .ini ;;
    --init | --out) _bramble_files .h5 ;;
    --trace) _bramble_files .json ;;
    --sheet) _bramble_files .png ;;
    --checkpoint | --resume | --classes) _bramble_files '' ;;
    --order) _bramble_words shuffle sequential ;;
    --augment) _bramble_words flip flip:alternate crop: cutout: color: rotate: mixup: ;;
    --normalise) _bramble_words half measured ;;
    --deal) _bramble_words auto shuffled contiguous all ;;
    --tta) _bramble_words none mirror shifts crops ;;
    --schedule) _bramble_words constant linear cosine step onecycle triangle ;;
    --optimizer) _bramble_words sgd adamw muon ;;
    --sync) _bramble_words weights gradients ;;
    --on-nan) _bramble_words stop skip ;;
    --isa) _bramble_words auto sse2 avx2 avx512 neon a76 ;;
    --average) _bramble_words gather reduce allreduce slices tree "$([[ ${COMP_WORDS[1]} != plan ]] || echo measured)" ;;
    --partition) _bramble_words even dirichlet: classes: sorted: ;;
    --aggregate) _bramble_words mean median trimmed: krum: multikrum: ;;
    --server-optimizer) _bramble_words none momentum nesterov adam adam-paper yogi adagrad ;;
    --preset) _bramble_words none paper fast lenet fashion resnet8 tiny resnet20 speed94 ;;
    --format) _bramble_words table csv json ;;
    --by) _bramble_words case "$(_bramble_options train | sed 's/--//g')" ;;
    --limit-train | --limit-test | --shards | --validate | --seed | --rounds | --local-epochs | --local-steps | \
        --average-every | --tail-average | --reestimate | --batch | --lr | --warmup | --lr-start | --lr-final | --milestones | \
        --gamma | --label-smoothing | --ema | --lookahead | --momentum | --beta1 | --beta2 | --epsilon | --muon-lr | --muon-momentum | \
        --clip-norm | --weight-decay | --group-size | --clients | --eval-clients | --participation | --min-workers | --proximal | --clip-update | --noise | \
        --target-accuracy | --eval-every | --checkpoint-every | --stall | --threads | --case | --base | \
        --server-lr | --server-momentum | --server-beta2 | --server-tau | \
        --workers | --patience | --bind | --top | --nodes | --cores | --link | --link-measured) ;;
    *) return 1 ;;
    esac
    return 0
}

# _bramble_options COMMAND - the long options of a command
_bramble_options()
{
    case $1 in
    train) echo --data --limit-train --limit-test --partition --shards --order --deal --validate --augment --normalise --seed --model --init --preset \
        --config --rounds --local-epochs --local-steps --average-every --tail-average --reestimate --batch --lr --schedule \
        --warmup --lr-start --lr-final --milestones --gamma --label-smoothing --ema --optimizer --momentum --nesterov \
        --beta1 --beta2 --epsilon --muon-lr --muon-momentum --muon-dense --clip-norm --keep-momentum --weight-decay --decoupled \
        --target-accuracy --eval-every --tta --sync --average --group-size --aggregate --clients --eval-clients --participation --min-workers --proximal --normalize-steps --control-variates --local-statistics --clip-update --noise \
        --lookahead --server-optimizer --server-lr --server-momentum --server-beta2 --server-tau --threads --isa --case --out --force --quiet --json \
        --checkpoint --checkpoint-every --resume --stall --on-nan --help ;;
    test) echo --data --model --limit-test --normalise --tta --threads --isa --seed --json --help ;;
    predict) echo --top --tta --evaluate --classes --model --normalise --threads --isa --json --csv --sheet --force --help ;;
    report) echo --format --by --base --rounds --ranks --labels --clients --trace --help ;;
    plan) echo --nodes --cores --average --local-steps --local-epochs --link --link-measured --json --help ;;
    watch) echo --patience --web --bind --help ;;
    info) echo --model --dot --json --help ;;
    data) echo --seed --workers --partition --deal --json --force --help ;;
    export) echo --force --help ;;
    import) echo --model --normalise --force --help ;;
    doctor) echo --model --batch --data --threads --isa --out --force --json --help ;;
    esac
}

# _bramble_arguments COMMAND - what stands in the place of an argument
_bramble_arguments()
{
    case $1 in
    test | report | plan | watch | info) _bramble_files .h5 ;;
    predict)
        if ((COMP_CWORD == 2)); then
            _bramble_files .h5
        else
            _bramble_files ''
        fi ;;
    data)
        if ((COMP_CWORD == 2)); then
            _bramble_words info pack partition pictures check synth
        elif [[ ${COMP_WORDS[2]} == info || ${COMP_WORDS[2]} == partition || ${COMP_WORDS[2]} == pack ]] ||
            { [[ ${COMP_WORDS[2]} == pictures ]] && ((COMP_CWORD == 3)); }; then
            _bramble_data
        else
            _bramble_folders
        fi ;;
    export) # what is read, and what is written
        if ((COMP_CWORD == 2)); then
            _bramble_files .h5
        else
            _bramble_exchanged
        fi ;;
    import)
        if ((COMP_CWORD == 2)); then
            _bramble_exchanged
        else
            _bramble_files .h5
        fi ;;
    help) _bramble_words train test predict report plan watch info data export import doctor ;;
    esac
}

_bramble()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]}
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        _bramble_words train test predict report plan watch info data export import doctor help --help --version
        return
    fi
    # --option=value comes as three words
    if [[ $word == = ]]; then
        word=
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    _bramble_value "$before" && return
    if [[ $word == -* ]]; then
        _bramble_words "$(_bramble_options "$command")"
    else
        _bramble_arguments "$command"
    fi
}

complete -F _bramble bramble
