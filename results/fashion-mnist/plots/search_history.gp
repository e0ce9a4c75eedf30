# Makes search_history.svg and search_history.png from search_history.csv:  gnuplot search_history.gp
set datafile separator comma
set encoding utf8
set border 3 lc rgb '#606060'
set tics nomirror out tc rgb '#303030'
set grid lc rgb '#e4e4e4' lt 1
set key above left horizontal noenhanced Left reverse samplen 1.5 width 1 tc rgb '#303030'
set xlabel 'generation'
set ylabel 'best predicted accuracy (%)'
set terminal svg size 760,460 font 'Helvetica,Arial,sans-serif,13' background rgb 'white' name 'search_history'
set output 'search_history.svg'
plot 'search_history.csv' using ($1 == 0 ? $2 : NaN):4:5 with filledcurves fs transparent solid 0.18 noborder lc rgb '#0072b2' notitle, \
     'search_history.csv' using ($1 == 1 ? $2 : NaN):4:5 with filledcurves fs transparent solid 0.18 noborder lc rgb '#d55e00' notitle, \
     'search_history.csv' using ($1 == 2 ? $2 : NaN):4:5 with filledcurves fs transparent solid 0.18 noborder lc rgb '#009e73' notitle, \
     'search_history.csv' using ($1 == 0 ? $2 : NaN):3 with lines lw 2 lc rgb '#0072b2' title 'latency_ms<=0.15', \
     'search_history.csv' using ($1 == 1 ? $2 : NaN):3 with lines lw 2 lc rgb '#d55e00' title 'latency_ms<=0.4', \
     'search_history.csv' using ($1 == 2 ? $2 : NaN):3 with lines lw 2 lc rgb '#009e73' title 'latency_ms<=1.2'
set terminal pngcairo size 1520,920 font 'Helvetica,13' fontscale 1.7 linewidth 2 pointscale 2
set output 'search_history.png'
replot
set output
