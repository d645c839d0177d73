# bash completion for bramble-plot(1)

_bramble_plot()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    compopt -o filenames
    case $before in
    --figure) mapfile -t COMPREPLY < <(compgen -W 'overview time shares crossing cores speedup accuracy overhead efficiency scaling
        methods methods_time methods_bytes partitions peers recipes plan plan_parts curves timeline confusion filters temperature labels' -- "$word") ;;
    --dpi) COMPREPLY=() ;;
    -o | --out) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    *)
        if [[ $word == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W '--out --figure --narrow --dpi --force --help' -- "$word")
        else
            mapfile -t COMPREPLY < <(compgen -f -X '!*.h5' -- "$word"; compgen -d -- "$word")
        fi ;;
    esac
}

complete -F _bramble_plot bramble-plot
